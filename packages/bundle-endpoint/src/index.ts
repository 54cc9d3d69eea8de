export { BundleEndpointError } from './errors.ts'
export type { BundleEndpointErrorCode } from './errors.ts'
export type {
  BundlePublishedEvent,
  BundleWithheldEvent,
  SequenceNotStoredEvent,
  WithheldReason,
} from './events.ts'
export type { BundleEndpointOptions, BundleEndpointProfile } from './options.ts'
export type { OwnBundleSource } from './own-bundle.ts'
export { bundleEndpoint, bundleEndpoint as default } from './plugin.ts'
