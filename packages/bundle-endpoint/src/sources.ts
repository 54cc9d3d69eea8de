import { Server as TlsServer } from 'node:tls'
import type { JwtBundleSource, TrustDomain } from '@fastify-spiffe/spiffe'
import { identityOf, otherCopyOf } from '@fastify-spiffe/tls'
import { BundleEndpointError } from './errors.ts'
import type { BundleEndpointSettings } from './options.ts'
import type { BundleSources, OwnBundleSource } from './own-bundle.ts'

/**
 * Checks that the server of the application is one for the profile, and finds the sources of the bundle.
 * @throws {@link BundleEndpointError} `not-a-spiffe-server`, `clients-need-certificates`, `not-a-web-server`,
 *   `plain-http`, `invalid-option`, `no-trust-domain`, `foreign-trust-domain`
 */
export function findSources(server: object, settings: BundleEndpointSettings): BundleSources {
  const source =
    settings.profile === 'https_web' ? ofWeb(server, settings) : ofSpiffe(server, settings)
  const trustDomain = trustDomainOf(source, settings.trustDomain)
  const jwtSource = settings.jwtSource ?? (hasJwtBundles(source) ? source : null)
  return { trustDomain, source, jwtSource }
}

function ofSpiffe(server: object, { source }: BundleEndpointSettings): OwnBundleSource {
  const identity = identityOf(server)
  if (identity === undefined) {
    const message =
      otherCopyOf(server) ??
      'the profile https_spiffe needs a server that presents an SVID: make the application with ' +
        "Fastify(spiffeServer(source, { clientCertificate: 'optional' })), or set profile: 'https_web'"
    throw new BundleEndpointError('not-a-spiffe-server', message)
  }
  if (identity.clientCertificate !== 'optional') {
    // SPIFFE Federation §5.2.2.3: clients are not required to authenticate; they may have no SVID that we can verify yet.
    const message =
      'the server requires certificates of its clients, and who fetches a bundle has none: make it with ' +
      "spiffeServer(source, { clientCertificate: 'optional' }), or serve the bundle on a listener of its own"
    throw new BundleEndpointError('clients-need-certificates', message)
  }
  return source ?? identity.source
}

function ofWeb(
  server: object,
  { source, allowPlainHttp }: BundleEndpointSettings,
): OwnBundleSource {
  if (identityOf(server) !== undefined || otherCopyOf(server) !== null) {
    const message =
      'the profile https_web needs a certificate of the Web PKI, and this server presents an SVID: make the application ' +
      "with Fastify({ https: { cert, key } }), or set profile: 'https_spiffe'"
    throw new BundleEndpointError('not-a-web-server', message)
  }
  if (!(server instanceof TlsServer) && !allowPlainHttp) {
    const message =
      'the server speaks plain HTTP, so that anyone on the way could replace the bundle: make the application with ' +
      'Fastify({ https: { cert, key } }); behind a proxy that ends TLS, set allowPlainHttp'
    throw new BundleEndpointError('plain-http', message)
  }
  if (source !== null) return source
  const message = 'source is missing: with the profile https_web the server has none'
  throw new BundleEndpointError('invalid-option', message)
}

function trustDomainOf({ svid }: OwnBundleSource, given: TrustDomain | null): TrustDomain {
  const own = svid?.spiffeId.trustDomain ?? null
  if (own === null && given === null) {
    const message = 'the source has no SVID, which would tell the own trust domain: set trustDomain'
    throw new BundleEndpointError('no-trust-domain', message)
  }
  if (own !== null && given !== null && !own.equals(given)) {
    const message =
      `the own trust domain is ${own.name}, by the SVID of the source, and not ${given.name}: ` +
      'the bundle of another trust domain is not for this server to publish'
    throw new BundleEndpointError('foreign-trust-domain', message)
  }
  return given ?? own!
}

function hasJwtBundles(source: object): source is JwtBundleSource {
  return 'jwtBundles' in source
}
