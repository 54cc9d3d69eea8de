export { WorkloadApiClient } from './client.ts'
export type {
  ClientWatchOptions,
  FetchOptions,
  WitFetchOptions,
  WorkloadApiClientOptions,
} from './client.ts'
export { parseEndpointAddress } from './endpoint/address.ts'
export type { EndpointAddress } from './endpoint/address.ts'
export { WorkloadApiError } from './errors.ts'
export type { WorkloadApiErrorCode } from './errors.ts'
export type { AgentJwtVerdict } from './messages/jwt-validation.ts'
export { LIMITS } from './messages/limits.ts'
export type { WitSvid } from './messages/wit-svids.ts'
export type { X509Context } from './messages/x509-context.ts'
export type { JwtSvidFetchFailedEvent, JwtSvidUpdatedEvent } from './source/jwt-events.ts'
export type { JwtSourceOptions } from './source/jwt-options.ts'
export { JwtSource } from './source/jwt-source.ts'
export type { X509SourceOptions } from './source/options.ts'
export type { X509SvidPick } from './source/pick.ts'
export { X509Source } from './source/x509-source.ts'
export type { AgentValidationOptions } from './tokens/validate-by-agent.ts'
export type { BackoffOptions } from './watch/retry-policy.ts'
