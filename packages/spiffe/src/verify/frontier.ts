import { RANKS, type Candidate } from './candidates.ts'
import type { Certificate } from '../x509/certificate.ts'

/** A path whose signatures are verified, leaf first, and a candidate for the issuer of its last certificate. */
export interface Step extends Candidate {
  readonly path: readonly Certificate[]
}

interface Group {
  readonly path: readonly Certificate[]
  readonly candidates: readonly Candidate[]
  next: number
}

/**
 * The steps that a search has yet to try. The most likely issuers come first, whatever path they extend. Among equals
 * the first found comes first, so short paths come before long ones.
 */
export class Frontier {
  readonly #byRank: readonly Group[][] = Array.from({ length: RANKS }, () => [])

  add(path: readonly Certificate[], groups: readonly (readonly Candidate[])[]): void {
    for (const [rank, candidates] of groups.entries()) {
      if (candidates.length > 0) this.#byRank[rank]!.push({ path, candidates, next: 0 })
    }
  }

  /** Takes the next step; `undefined` when none is left. */
  take(): Step | undefined {
    for (const groups of this.#byRank) {
      const [group] = groups
      if (group === undefined) continue
      const { path, candidates, next } = group
      group.next += 1
      if (group.next === candidates.length) groups.shift()
      return { path, ...candidates[next]! }
    }
    return undefined
  }
}
