import { RANKS, type Candidate } from './candidates.ts'
import type { Certificate } from '../x509/certificate.ts'

/** A proven path, leaf first, and one that may have issued its end. */
export interface Step extends Candidate {
  readonly path: readonly Certificate[]
}

interface Group {
  readonly path: readonly Certificate[]
  readonly candidates: readonly Candidate[]
  next: number
}

/**
 * The steps that a search has still to try: the most likely issuers first, wherever they lead on
 * from, and of equals those that were found first, which makes short paths come before long ones.
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
