import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ContentDigest } from './wire/content-digest.ts'

/**
 * The body of a request that came through a relay. It fails with the error of `refuse` at its end, if it is not the one that was
 * digested; without a digest, if there is one. Nothing is compared before somebody reads it: the error would be nobody's.
 */
export function relayedBody(
  payload: AsyncIterable<Buffer>,
  expected: ContentDigest | null,
  refuse: () => Error,
): Readable {
  const body = Readable.from(compared(payload, expected, refuse), { objectMode: false })
  // Who has stopped reading, at a limit say, listens no more.
  return body.on('error', () => undefined)
}

async function* compared(
  payload: AsyncIterable<Buffer>,
  expected: ContentDigest | null,
  refuse: () => Error,
): AsyncGenerator<Buffer> {
  const hash = createHash(expected?.algorithm ?? 'sha256')
  let octets = 0
  for await (const chunk of payload) {
    octets += chunk.length
    hash.update(chunk)
    yield chunk
  }
  const isSame = expected === null ? octets === 0 : hash.digest().equals(expected.digest)
  if (!isSame) throw refuse()
}
