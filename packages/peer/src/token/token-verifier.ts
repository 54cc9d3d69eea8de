import { SpiffeError } from '@fastify-spiffe/spiffe'
import type { JwtBundleHolder, JwtSvidVerifier } from '@fastify-spiffe/spiffe/jwt-svid'
import { PeerError } from '../errors.ts'
import type { TokenSettings } from './options.ts'

/**
 * Makes the verifier. Its module is loaded here, and with it `jose`: applications without tokens do without.
 *
 * @param served the source of the server, if a plugin of this project made it
 * @throws {@link PeerError} `invalid-option`
 */
export async function makeVerifier(
  { source: given, verifier }: TokenSettings,
  served: object | undefined,
): Promise<{ readonly verifier: JwtSvidVerifier; readonly source: JwtBundleHolder }> {
  const source = given ?? bundlesOf(served)
  if (source === undefined) {
    const message =
      'jwt.source must have jwtBundles, such as a JwtSource: the source of the server has none'
    throw new PeerError('invalid-option', message)
  }
  const Verifier = await loadVerifier()
  try {
    return { verifier: new Verifier({ ...verifier, source }), source }
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new PeerError('invalid-option', `jwt.${cause.message}`, { cause })
  }
}

function bundlesOf(served: object | undefined): JwtBundleHolder | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the verifier looks at its members
  return served !== undefined && 'jwtBundles' in served ? (served as JwtBundleHolder) : undefined
}

async function loadVerifier(): Promise<typeof JwtSvidVerifier> {
  try {
    return (await import('@fastify-spiffe/spiffe/jwt-svid')).JwtSvidVerifier
  } catch (cause) {
    throw new PeerError('invalid-option', 'jwt needs the package jose: npm install jose', { cause })
  }
}
