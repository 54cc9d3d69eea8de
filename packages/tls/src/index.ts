export { connect } from './client/connect.ts'
export type { ConnectOptions, PresentedCertificate } from './client/connect-options.ts'
export { webPki } from './client/web-pki.ts'
export type {
  StapledServer,
  StapleVerdict,
  StapleVerifier,
  WebPki,
  WebPkiOptions,
} from './client/web-pki.ts'
export { tlsOptions } from './client/tls-options.ts'
export type { SvidTlsOptions, TlsOptionsOptions } from './client/tls-options.ts'
export type { ChainHeadersFor } from './client/request-headers.ts'
export type { OutgoingTokens, TokenProvider } from './client/bearer-tokens.ts'
export { SvidAgent } from './client/svid-agent.ts'
export type { SvidAgentOptions } from './client/agent-options.ts'
export type { MinVersion } from './context/context-options.ts'
export { TlsError } from './errors.ts'
export type { TlsErrorCode, TlsErrorOptions } from './errors.ts'
export type { SvidAppliedEvent, SvidRefusedEvent, SvidWithdrawnEvent } from './context/events.ts'
export { peerOf } from './peer/binding.ts'
export { isCurrent } from './peer/connection-peer.ts'
export { CertificateVerifier, VerifiedCertificate } from './peer/certificate-verifier.ts'
export type {
  CertificateRejection,
  CertificateVerifierOptions,
} from './peer/certificate-verifier.ts'
export type { ConnectionPeer } from './peer/connection-peer.ts'
export type { RejectionCode } from './rejection.ts'
export type { LapseReason } from './peer/trust-status.ts'
export type { ConnectionCounts } from './server/connection-registry.ts'
export type { ServerCounters } from './server/server-counters.ts'
export { identityOf, otherCopyOf } from './server/server-identity.ts'
export type { ServerIdentity } from './server/server-identity.ts'
export type { ClientCertificateMode, OnPeerExpiry } from './server/modes.ts'
export type { HttpOptions, SvidServerOptions } from './server/server-options.ts'
export type { Http2Connections, Http2Service, SharedPort } from './server/shared-port.ts'
export { createSvidServer } from './server/svid-server.ts'
export type { Http2RequestListener } from './server/svid-server.ts'
export { createSvidTlsServer } from './server/svid-tls-server.ts'
export type { SvidTlsServerOptions } from './server/tls-server-options.ts'
export type { PeerLapsedEvent, PeerRejectedEvent, PeerVerifiedEvent } from './peer/events.ts'
export type { HandshakeFailedEvent, HandshakeFailureCode } from './server/handshake-failures.ts'
