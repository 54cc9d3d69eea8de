/** The sequence of the last bundle, and the digest of its content. */
export interface SequenceRecord {
  readonly sequence: bigint
  readonly digest: string
}

/** Consumers read at least 64 bits; the highest one leaves nothing to grow to. */
export const MAX_SEQUENCE: bigint = 2n ** 63n - 1n

/**
 * The sequence of a bundle with this content: that of `last` if the content is the same, otherwise the time in
 * milliseconds since the epoch, and in any case more than that of `last`.
 *
 * So it grows with each change, also over a restart that remembers nothing and at each of several replicas whose
 * clocks agree, and a clock that is set back does not lower it.
 */
export function nextSequence(
  last: SequenceRecord | null,
  digest: string,
  clock: () => number,
): SequenceRecord {
  if (last?.digest === digest) return last
  const now = Math.floor(clock())
  const time = Number.isSafeInteger(now) && now > 0 ? BigInt(now) : 0n
  const least = last === null ? 0n : last.sequence + 1n
  return { sequence: time > least ? time : least, digest }
}
