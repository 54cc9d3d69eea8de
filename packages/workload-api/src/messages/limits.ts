import { WorkloadApiError } from '../errors.ts'

/** What one message may hold. Whatever is larger is refused, and the last good state is kept. */
export const LIMITS: {
  /** Bytes of a message on the wire. */
  readonly messageBytes: number
  readonly svids: number
  /** Bundles, the own ones and the federated ones together. */
  readonly bundles: number
  readonly bundleBytes: number
  readonly revocationLists: number
  /** Bytes of all of them together: to read them takes about 0.03 s for each million. */
  readonly revocationListBytes: number
  /** Signature checks that it may take to find out of which trust domain they are. */
  readonly listChecks: number
  readonly hintBytes: number
  /**
   * Fields at the top level of a message: a small message must not grow large when decoded. The other
   * limits leave room for 1,200 that are known. Each may take a microsecond or two.
   */
  readonly fields: number
} = Object.freeze({
  messageBytes: 64 * 1024 * 1024,
  svids: 100,
  bundles: 1_000,
  bundleBytes: 4 * 1024 * 1024,
  revocationLists: 100,
  revocationListBytes: 16 * 1024 * 1024,
  listChecks: 1_000,
  hintBytes: 1_024,
  fields: 2_000,
})

/** @throws {@link WorkloadApiError} `limit-exceeded` */
export function checkLimit(what: string, actual: number, limit: number): void {
  if (actual > limit) {
    throw new WorkloadApiError(
      'limit-exceeded',
      `${what}: ${actual} is more than the limit of ${limit}`,
    )
  }
}
