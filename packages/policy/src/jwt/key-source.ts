import { SpiffeError } from '@fastify-spiffe/spiffe'
import { readBytes, utf8 } from '../document/read-bytes.ts'
import type { JwksLocation } from './options.ts'

/** Reads a key set as it is now. */
export type ReadText = () => Promise<string>

/** Longer than the key set of any issuer. */
const MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 5000

export function readerOf(location: JwksLocation): ReadText {
  if ('file' in location) return async () => utf8(await readBytes(location.file, MAX_BYTES))
  const url = new URL(location.url)
  return () => fetchText(url)
}

/** Follows no redirects: they could lead to where keys are anybody's. */
async function fetchText(url: URL): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    // `fetch` says nothing itself; what it has as its cause says too much.
    throw causeOf(error)
  })
  if (response.status === 200 && response.body !== null) return bodyOf(response.body)
  await response.body?.cancel()
  throw new SpiffeError('invalid-json', `the issuer answered with status ${response.status}`)
}

async function bodyOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_BYTES) {
      throw new SpiffeError('invalid-json', `the key set has more than ${MAX_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return utf8(Buffer.concat(chunks))
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}
