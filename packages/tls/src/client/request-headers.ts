import type { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { singleIdOf } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { WebPki } from './web-pki.ts'

/** Makes the headers that say on whose behalf a request is sent to `audience`, a SPIFFE ID. */
export type ChainHeadersFor = (audience: string) => object

/** Makes them for the one workload that can answer. */
export type RequestHeaders = () => Iterable<readonly [string, string]>

/**
 * Binds the option `chainHeaders`: a token for whoever answers would be one for anybody.
 * @returns `null` without the option
 * @throws {@link TlsError} `invalid-option` unless `server` is a single SPIFFE ID
 */
export function requestHeaders(
  server: SpiffeIdMatcher | WebPki,
  chainHeaders: ChainHeadersFor | undefined,
): RequestHeaders | null {
  if (chainHeaders === undefined) return null
  const id = server instanceof WebPki ? null : singleIdOf(server)
  if (typeof chainHeaders !== 'function' || id === null) {
    const message = 'chainHeaders must be a function, and needs one SPIFFE ID as server'
    throw new TlsError('invalid-option', message)
  }
  const audience = id.toString()
  return () =>
    Object.entries(chainHeaders(audience)).map(([name, value]) => [name, String(value)] as const)
}

/** The error of a request that already has a header which an option adds. */
export function doubled(name: string, option = 'chainHeaders'): TlsError {
  return new TlsError('invalid-option', `${option} adds the header ${name}: do not give it`)
}
