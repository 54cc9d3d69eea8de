export {
  authz,
  AuthzError,
  diffTables,
  PolicyError,
  protect,
  toMarkdown,
  toOpenApi,
  where,
} from '@fastify-spiffe/authz'
export type {
  AttributeProvider,
  Attributes,
  Authz,
  AuthzErrorCode,
  AuthzOptions,
  CheckContext,
  Comparison,
  Condition,
  DecisionLogEvent,
  Engine,
  EngineRequest,
  Explanation,
  InvalidationBus,
  InvalidationListener,
  PolicyDocument,
  PolicyErrorCode,
  ReplicasOptions,
  ReplicasState,
  RouteRule,
  RouteTable,
  Tenant,
  TenantName,
} from '@fastify-spiffe/authz'
export {
  asItself,
  chain,
  ChainError,
  chainHeaders,
  Chains,
  contentDigest,
  currentChain,
  currentPeer,
  forwarded,
} from '@fastify-spiffe/chain'
export type {
  CallChain,
  ChainErrorCode,
  ChainHeaders,
  ChainOptions,
  ChainRefusalCode,
  ForwardedOptions,
  ForwardedRefusalCode,
  ForwardingProxy,
  RelayedRequest,
} from '@fastify-spiffe/chain'
export { Federation, FederationError } from '@fastify-spiffe/federation'
export type {
  FederationErrorCode,
  FederationFailedEvent,
  FederationOptions,
  FederationRecoveredEvent,
  FederationUpdatedEvent,
  FollowedTrustDomain,
  FollowOptions,
} from '@fastify-spiffe/federation'
export { FileSource, FileSourceError } from '@fastify-spiffe/file-source'
export type { FileSourceErrorCode, FileSourceOptions } from '@fastify-spiffe/file-source'
export { peer, PeerError } from '@fastify-spiffe/peer'
export type {
  Peer,
  PeerErrorCode,
  PeerJwtOptions,
  PeerOptions,
  TokenPeer,
} from '@fastify-spiffe/peer'
export {
  allOf,
  matchAny,
  Bundle,
  BundleSet,
  JwtAuthority,
  JwtBundle,
  matchId,
  matchMemberOf,
  not,
  matchOneOf,
  anyOf,
  pathTemplate,
  matchPattern,
  parseBundleMap,
  RevocationList,
  SpiffeError,
  SpiffeId,
  SpiffeIdMatcher,
  splitCertificates,
  stringifyBundleMap,
  TrustDomain,
  verifyX509Svid,
  withFallbackBundles,
  withFallbackJwtBundles,
  withRevocationLists,
  X509Bundle,
  X509Svid,
} from '@fastify-spiffe/spiffe'
export type {
  BundleConflictEvent,
  BundleParts,
  Captures,
  IgnoredKey,
  IgnoredKeyReason,
  JwtBundleSource,
  RevocationListSource,
  RevocationListsByTrustDomain,
  RevocationOptions,
  RevocationPolicy,
  SourceState,
  SourceStateEvent,
  SpiffeErrorCode,
  WitKey,
  X509MaterialSource,
} from '@fastify-spiffe/spiffe'
export { spiffeServer, svid, SvidPluginError } from '@fastify-spiffe/svid'
export type {
  ServedSvid,
  SpiffeServerOptions,
  SvidOptions,
  SvidPluginErrorCode,
} from '@fastify-spiffe/svid'
export {
  connect,
  createSvidServer,
  createSvidTlsServer,
  identityOf,
  isCurrent,
  peerOf,
  SvidAgent,
  TlsError,
  tlsOptions,
  webPki,
} from '@fastify-spiffe/tls'
export type {
  SvidAgentOptions,
  SvidTlsOptions,
  TlsErrorCode,
  TlsOptionsOptions,
} from '@fastify-spiffe/tls'
export {
  JwtSource,
  WorkloadApiClient,
  WorkloadApiError,
  X509Source,
} from '@fastify-spiffe/workload-api'
export type {
  JwtSourceOptions,
  WorkloadApiErrorCode,
  X509SourceOptions,
} from '@fastify-spiffe/workload-api'
export { fastifySpiffe, fastifySpiffe as default } from './plugin.ts'
export type { FastifySpiffeOptions } from './plugin.ts'
