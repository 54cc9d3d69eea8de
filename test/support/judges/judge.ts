/** A chain of certificates, and what it is to be verified against. */
export interface Question {
  /** As a peer sends it, leaf first; each is the DER of one certificate. */
  readonly chain: readonly Uint8Array[]
  /** The authorities, DER, by the name of their trust domain. */
  readonly bundles: ReadonlyMap<string, readonly Uint8Array[]>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** What a judge makes of one chain. */
export interface Opinion {
  readonly accepted: boolean
  /** Why not, in the judge's own words for reasons; empty when it accepts. */
  readonly codes: readonly string[]
}

/** Somebody who verifies chains. */
export interface Judge<Name extends string = string> extends AsyncDisposable {
  readonly name: Name
  /** The opinions, in the order of the questions. */
  judge(questions: readonly Question[]): Promise<readonly Opinion[]>
}

export const ACCEPTED: Opinion = Object.freeze({ accepted: true, codes: Object.freeze([]) })

export function refused(...codes: readonly string[]): Opinion {
  return { accepted: false, codes }
}
