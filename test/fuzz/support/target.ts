import type * as fc from 'fast-check'
import type { Clock } from './clock.ts'

/** What becomes of an input: `accepted`, or the code of its refusal. */
export type Outcome = string

export const ACCEPTED: Outcome = 'accepted'

/** Something that reads what comes from outside, and what has to hold of it for every input. */
export interface Target<Input> extends AsyncDisposable {
  readonly inputs: fc.Arbitrary<Input>
  /**
   * Has the input read. Throws when a property is broken: an error that is not the package's own, an answer that a second
   * reading contradicts. It leaves the input as it is.
   */
  readonly read: (input: Input) => Outcome | Promise<Outcome>
  /** The input as bytes, for a report. */
  readonly bytesOf: (input: Input) => Uint8Array
  /** What can be judged only when all inputs are known. One line for each finding. */
  readonly conclude?: () => Promise<readonly string[]>
  /** What else there is to say at the end, such as the judges that were asked. */
  readonly remarks?: () => readonly string[]
}

/** A target by its name. */
export interface TargetEntry {
  readonly name: string
  /** The share that it has of all inputs, relative to the others. */
  readonly share: number
  readonly fuzz: (run: Run) => Promise<Report>
}

/** How a target is run. */
export interface Run {
  readonly inputs: number
  readonly seed: number
  /** Where the shrunk input of a former run was found, to see it alone. */
  readonly path?: string
  /** Default: the machine's. */
  readonly clock?: Clock
}

/** What a run of a target has shown. */
export interface Report {
  readonly name: string
  readonly seed: number
  readonly inputs: number
  /** How many inputs were accepted, and how many refused by each code. */
  readonly outcomes: ReadonlyMap<Outcome, number>
  /** Milliseconds of the input that took longest, in its best run. */
  readonly slowestMs: number
  readonly findings: readonly string[]
  readonly remarks: readonly string[]
}

/** A property that does not hold, in words. */
export class Finding extends Error {}

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Finding(what)
}
