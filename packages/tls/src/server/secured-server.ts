import type { Server, TlsOptions } from 'node:tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { contextOptions } from '../context/context-options.ts'
import { SecureContextManager } from '../context/secure-context-manager.ts'
import { revocationPolicies } from '../options.ts'
import { PeerVerifier } from '../peer/verifier.ts'
import { Acceptor } from './acceptor.ts'
import { endOnClose } from './closing.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { HandshakeFailures } from './handshake-failures.ts'
import { RateLimiter } from './rate-limiter.ts'
import { ServerIdentity, setIdentity } from './server-identity.ts'
import type { ServerSettings } from './server-options.ts'

/** The TLS options with which every server is made. */
export function tlsOptions(settings: ServerSettings): TlsOptions {
  return {
    // Without certificate and key, because Node's HTTP/2 server keeps these options.
    ...contextOptions(null, settings.minVersion),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: settings.handshakeTimeoutMs,
  }
}

/**
 * Gives a server its SVID, and lets only verified peers through to the listeners that it has by now.
 * @throws {@link TlsError} `no-svid` or `invalid-material`
 */
export function secure(
  server: Server,
  source: X509MaterialSource,
  settings: ServerSettings,
): HandshakeFailures {
  const { clock, clientCertificate } = settings
  const { clockSkewMs, maxCachedVerdicts, allowIntermediatesOfOtherTrustDomains } = settings
  const revocation = revocationPolicies(settings.revocation)
  const verifier = new PeerVerifier(
    source,
    revocation,
    maxCachedVerdicts,
    clockSkewMs,
    allowIntermediatesOfOtherTrustDomains,
  )
  const connections = new ConnectionRegistry(server, settings)
  const counters = { accepted: 0, rejected: 0, handshakesFailed: 0 }
  const contexts = new SecureContextManager(server, source, settings)
  const allowsResumption = settings.sessionTicketLifetimeMs !== 0
  const verification = { verifier, clientCertificate, allowsResumption }
  const rateLimiter = new RateLimiter()
  new Acceptor({ ...verification, connections, counters, clock, rateLimiter }).interpose(server)
  const failures = new HandshakeFailures(server, {
    rateLimiter,
    clock,
    minVersion: settings.minVersion,
    hasSvid: () => contexts.svid !== null,
  })
  const identity = new ServerIdentity({
    source,
    contexts,
    connections,
    counters,
    verifier,
    clientCertificate,
    clock,
  })
  setIdentity(server, identity)
  endOnClose(server, connections)
  // A server may listen again, and then the `close` event of before comes late.
  server.on('listening', () => identity.open())
  server.on('close', () => {
    if (!server.listening) identity.close()
  })
  return failures
}
