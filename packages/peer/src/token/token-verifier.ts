import { SpiffeError } from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier, type JwtBundleHolder } from '@fastify-spiffe/spiffe/jwt-svid'
import { PeerError } from '../errors.ts'
import type { TokenSettings } from './options.ts'

/**
 * Makes the verifier.
 *
 * @param served the source of the server, if a plugin of this project made it
 * @throws {@link PeerError} `invalid-option`
 */
export function makeVerifier(
  { source: given, verifier }: TokenSettings,
  served: object | undefined,
): { readonly verifier: JwtSvidVerifier; readonly source: JwtBundleHolder } {
  const source = given ?? bundlesOf(served)
  if (source === undefined) {
    const message =
      'jwt.source must have jwtBundles, such as a JwtSource: the source of the server has none'
    throw new PeerError('invalid-option', message)
  }
  try {
    return { verifier: new JwtSvidVerifier({ ...verifier, source }), source }
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new PeerError('invalid-option', `jwt.${cause.message}`, { cause })
  }
}

function bundlesOf(served: object | undefined): JwtBundleHolder | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the verifier looks at its members
  return served !== undefined && 'jwtBundles' in served ? (served as JwtBundleHolder) : undefined
}
