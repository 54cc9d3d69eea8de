export { TufError } from './errors.ts'
export type {
  IntegrityFaultCode,
  LocalFaultCode,
  NetworkFaultCode,
  TargetFaultCode,
  TufErrorCode,
  TufFailureCode,
} from './errors.ts'
export type {
  TufExpiredEvent,
  TufFailedEvent,
  TufRecoveredEvent,
  TufUpdatedEvent,
} from './events.ts'
export type { BundleTarget, PinnedRoot, TufBundleSourceOptions } from './options.ts'
export type { SignedFile, TargetOrigin, TargetStatus, TufFailure, TufStatus } from './status.ts'
export { TufBundleSource } from './tuf-bundle-source.ts'
