export type { EndpointProfile, FollowOptions } from './endpoint/options.ts'
export { FederationError } from './errors.ts'
export type { FederationErrorCode, FetchFailureCode } from './errors.ts'
export type {
  FederationFailedEvent,
  FederationRecoveredEvent,
  FederationUpdatedEvent,
} from './events.ts'
export { Federation } from './federation.ts'
export type { BundleOrigin, FederationFailure, FollowedTrustDomain } from './status.ts'
export type { FederationOptions } from './options.ts'
