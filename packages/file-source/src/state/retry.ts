import type { FileSourceError, FileSourceErrorCode } from '../errors.ts'

const FIRST_MS = 100
const MAX_MS = 10_000
/** So many reads in a row may find files that are being written, before that is a problem. */
const PASSING_READS = 2

/** What is found of files that are being written. What is unsafe is none of it. */
const PASSING: ReadonlySet<FileSourceErrorCode> = new Set<FileSourceErrorCode>([
  'unreadable',
  'checksum-mismatch',
  'invalid-manifest',
  'unsettled',
  'invalid-svid',
  'invalid-key',
  'key-mismatch',
  'untrusted-svid',
  'invalid-bundle',
  'conflicting-bundles',
])

/** When files that were refused are read again although nothing happens to them: 100 ms to 10 s later. */
export class Retry {
  #nextMs = FIRST_MS
  #refusals = 0

  /** The next wait, in milliseconds, after one more refusal. */
  next(): number {
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(delayMs * 2, MAX_MS)
    this.#refusals += 1
    return delayMs
  }

  /** Starts over. */
  reset(): void {
    this.#nextMs = FIRST_MS
    this.#refusals = 0
  }

  /** Whether a refusal is most likely about files that are being written, and not to be reported yet. */
  isPassing({ code }: FileSourceError): boolean {
    return this.#refusals < PASSING_READS && PASSING.has(code)
  }

  /** In how many ms an SVID is looked at again that becomes valid at a time; the clock may be set meanwhile. */
  static until(validFrom: number, now: number): number {
    return Math.min(Math.max(Math.ceil(validFrom - now), 1), MAX_MS)
  }
}
