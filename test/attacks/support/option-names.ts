/** The names of options that several of those who take options have in common. */
export const ENDPOINT: readonly string[] = [
  'url',
  'socketPath',
  'agent',
  'headers',
  'maxResponseBytes',
  'allowPlaintext',
]
export const ENGINE: readonly string[] = [
  'name',
  'reads',
  'timeoutMs',
  'maxInFlight',
  'slowMs',
  'breaker',
  'onError',
  'staleIfErrorMs',
  'policyVersion',
]
export const SERVER: readonly string[] = [
  'http2',
  'allowHTTP1',
  'clientCertificate',
  'minVersion',
  'sessionTicketLifetimeMs',
  'handshakeTimeoutMs',
  'maxCachedVerdicts',
  'revocation',
  'onPeerExpiry',
  'graceMs',
  'maxConnectionAgeMs',
  'http',
  'grpc',
  'key',
  'cert',
  'ca',
  'pfx',
  'passphrase',
]
export const AGENT: readonly string[] = [
  'source',
  'server',
  'timeoutMs',
  'minVersion',
  'revocation',
  'key',
  'ca',
]
export const POOL: readonly string[] = [
  'maxSockets',
  'maxTotalSockets',
  'maxFreeSockets',
  'scheduling',
  'timeout',
  'keepAlive',
]
/** Of Node's HTTP layer. */
export const HTTP_LAYER: readonly string[] = [
  'maxHeaderSize',
  'headersTimeout',
  'settings',
  'noDelay',
  'uniqueHeaders',
]
export const LIST: readonly string[] = [
  'allow',
  'deny',
  'roles',
  'anyAuthenticated',
  'public',
  'tenant',
  'where',
  'engines',
]
