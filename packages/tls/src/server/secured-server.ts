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
import { MessageBudget } from './message-budget.ts'
import { ServerIdentity, setIdentity } from './server-identity.ts'
import type { ServerSettings } from './server-options.ts'

/** The TLS options that every server is made with. */
export const tlsOptions = (settings: ServerSettings): TlsOptions => ({
  // Without certificate and key: Node's HTTP/2 server would keep its options.
  ...contextOptions(null, settings.minVersion),
  requestCert: true,
  rejectUnauthorized: false,
  handshakeTimeout: settings.handshakeTimeoutMs,
})

/** Gives a server its SVID, and lets only good peers through to the listeners that it has by now. */
export const secure = (
  server: Server,
  source: X509MaterialSource,
  settings: ServerSettings,
): HandshakeFailures => {
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
  const judging = { verifier, clientCertificate, allowsResumption }
  const messages = new MessageBudget()
  new Acceptor({ ...judging, connections, counters, clock, messages }).interpose(server)
  const failures = new HandshakeFailures(server, {
    messages,
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
  // A server may listen again, and then hears late of its closing before.
  server.on('listening', () => identity.open())
  server.on('close', () => {
    if (!server.listening) identity.close()
  })
  return failures
}
