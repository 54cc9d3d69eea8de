/**
 * Shared by the packages of this project, and not public: it changes in any version.
 * @internal
 * @module
 */
export {
  assertConnectorOptions,
  connectorOptionNames,
  readServer,
} from './client/connect-options.ts'
export type { Connector, ConnectorOptions } from './client/connect-options.ts'
export { authorizationFrom, BearerTokens, readProvider } from './client/bearer-tokens.ts'
export type { ProvideToken } from './client/bearer-tokens.ts'
export { dial } from './client/dial.ts'
export { connectFailure } from './client/handshake.ts'
export { observedTlsOptions, tlsOptionNames } from './client/tls-options.ts'
export { readCertificates } from './client/web-pki.ts'
export { isSameMaterial } from './context/material.ts'
export { currentUntil } from './peer/connection-peer.ts'
export { DeadlineTimer } from './server/deadline-timer.ts'
