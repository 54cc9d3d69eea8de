import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, type ConnectionOptions, type SecureContext } from 'node:tls'
import type { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { assertKnownOptions, revocationPolicies } from '../options.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import { chainOfPlainCertificates } from '../peer/presented-chain.ts'
import {
  assertConnectorOptions,
  connectorOptionNames,
  readServer,
  type ConnectorOptions,
} from './connect-options.ts'
import { verifierOf } from './connector-cache.ts'
import { connectFailure } from './handshake.ts'
import { LiveContext } from './live-context.ts'
import { allowedServer } from './server-proof.ts'
import { WebPki } from './web-pki.ts'

/** Options of {@link tlsOptions}: those of `connect` that concern the own SVID and the server's. */
export type TlsOptionsOptions = Omit<ConnectorOptions, 'clientCertificate' | 'timeoutMs'>

/** Options for `tls.connect` and for clients that hand theirs to it. */
export interface SvidTlsOptions {
  /** The SVID and the bundles of the moment in which a connection is made. */
  readonly secureContext: SecureContext
  /** OpenSSL has to find an authority first; {@link SvidTlsOptions.checkServerIdentity} decides. */
  readonly rejectUnauthorized: true
  /** Verifies the SVID of the server; returns a {@link TlsError} for another one. */
  readonly checkServerIdentity: NonNullable<ConnectionOptions['checkServerIdentity']>
}

/** The names of {@link TlsOptionsOptions}. */
export const tlsOptionNames: readonly string[] = connectorOptionNames.filter(
  (name) => name !== 'clientCertificate' && name !== 'timeoutMs',
)

const NAMES: ReadonlySet<string> = new Set(tlsOptionNames)

/**
 * Returns options for clients that speak TLS through `tls.connect` and know nothing of SPIFFE, such as those of databases
 * and message brokers: each connection presents the SVID of that moment, and nothing is sent to a server which proves no
 * SPIFFE ID that `server` matches. The host name is not compared with the certificate, except with `webPki()`.
 *
 * The options can be used for any number of connections, for as long as the source is open. While the source has no SVID,
 * every handshake fails. `peerOf` does not know the connections, and nothing ends them: let the client's pool end them
 * within the lifetime of an SVID.
 *
 * Node verifies nothing in a session that is resumed, so that none is: with the option `session` of `tls.connect`, and with
 * agents that keep sessions, a connection fails whose server takes up the session. Let agents keep none.
 *
 * A handshake fails with a {@link TlsError} `server-refused` or `server-not-allowed`, or with the error of Node where OpenSSL
 * finds no authority of a bundle in the chain.
 *
 * @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option`
 */
export function tlsOptions(options: TlsOptionsOptions): SvidTlsOptions {
  return observedTlsOptions(options, () => undefined)
}

/**
 * Makes {@link tlsOptions} that say who the servers are.
 *
 * @param onProven called with each server that has proven itself and is allowed
 * @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option`
 */
export function observedTlsOptions(
  options: TlsOptionsOptions,
  onProven: (peer: ConnectionPeer) => void,
): SvidTlsOptions {
  assertKnownOptions(options, NAMES, 'tlsOptions')
  assertConnectorOptions(options)
  const { source, minVersion = 'TLSv1.3' } = options
  const server = readServer(options.server)
  if (server instanceof WebPki && server.verifyStaple !== undefined) {
    const message =
      'requireStaple has no effect on connections of others, who would have to ask for the staple: ' +
      'use connect, SvidAgent or createDispatcher'
    throw new TlsError('invalid-option', message)
  }
  return Object.freeze({
    secureContext: new LiveContext({ source, server, minVersion }),
    rejectUnauthorized: true,
    checkServerIdentity:
      server instanceof WebPki ? checkServerIdentity : identityCheck(options, server, onProven),
  })
}

function identityCheck(
  options: TlsOptionsOptions,
  server: SpiffeIdMatcher,
  onProven: (peer: ConnectionPeer) => void,
): SvidTlsOptions['checkServerIdentity'] {
  const { source, revocation, clockSkewMs = 0, clock = Date.now } = options
  const { allowIntermediatesOfOtherTrustDomains = false } = options
  const verifier = verifierOf(
    source,
    revocationPolicies(revocation),
    clockSkewMs,
    allowIntermediatesOfOtherTrustDomains,
  )
  return (_host, certificate) => {
    try {
      const { raw }: { readonly raw?: Buffer } = certificate
      if (raw === undefined) {
        const rejection = { rejection: 'no-certificate' } as const
        throw new TlsError('server-refused', 'the server sent no certificate', rejection)
      }
      const leaf = new X509Certificate(raw)
      const chainOf = (): readonly X509Certificate[] => chainOfPlainCertificates(leaf, certificate)
      const verdict = verifier.verifyChain(leaf.fingerprint256, chainOf, clock())
      onProven(allowedServer(verdict, server, { leaf, remoteAddress: undefined }))
      return undefined
    } catch (error) {
      return connectFailure(error)
    }
  }
}
