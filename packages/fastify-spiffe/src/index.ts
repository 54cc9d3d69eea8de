export {
  authz,
  AuthzError,
  diffTables,
  protect,
  toMarkdown,
  toOpenApi,
  where,
} from '@fastify-spiffe/authz'
export type {
  Attributes,
  Authz,
  AuthzErrorCode,
  AuthzOptions,
  CheckContext,
  Comparison,
  Condition,
  Engine,
  EngineQuestion,
  Explanation,
  PolicyDocument,
  RouteRule,
  RouteTable,
  Tenant,
  TenantName,
} from '@fastify-spiffe/authz'
export { peer, PeerError } from '@fastify-spiffe/peer'
export type { Peer, PeerErrorCode, PeerOptions } from '@fastify-spiffe/peer'
export {
  and,
  anyId,
  id,
  memberOf,
  not,
  oneOf,
  or,
  pattern,
  RevocationList,
  SpiffeError,
  SpiffeId,
  SpiffeIdMatcher,
  TrustDomain,
  withRevocationLists,
} from '@fastify-spiffe/spiffe'
export type {
  Captures,
  RevocationListSource,
  RevocationListsByTrustDomain,
  RevocationOptions,
  RevocationPolicy,
  SourceState,
  SpiffeErrorCode,
  X509MaterialSource,
} from '@fastify-spiffe/spiffe'
export { spiffeServer, svid, SvidPluginError } from '@fastify-spiffe/svid'
export type {
  ServedSvid,
  SpiffeServerOptions,
  SvidOptions,
  SvidPluginErrorCode,
} from '@fastify-spiffe/svid'
export { SvidAgent, TlsError } from '@fastify-spiffe/tls'
export type { SvidAgentOptions, TlsErrorCode } from '@fastify-spiffe/tls'
export { WorkloadApiError, X509Source } from '@fastify-spiffe/workload-api'
export type { WorkloadApiErrorCode, X509SourceOptions } from '@fastify-spiffe/workload-api'
export { fastifySpiffe, fastifySpiffe as default } from './plugin.ts'
export type { FastifySpiffeOptions } from './plugin.ts'
