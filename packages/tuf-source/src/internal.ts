/**
 * The client without a source, and the signing of metadata, for tests, and not public: it changes in any version.
 * @internal
 * @module
 */
export { downloadTarget, isTarget } from './client/download-target.ts'
export { findTarget } from './client/find-target.ts'
export { encodeRole, refreshMetadata } from './client/refresh-metadata.ts'
export type { MetadataFiles } from './client/refresh-metadata.ts'
export { Fetcher } from './fetch/request.ts'
export type { FetchFile, FetchSettings } from './fetch/request.ts'
export { folderUrl } from './fetch/url.ts'
export { checkMetadata } from './metadata/check-metadata.ts'
export type { TargetInfo, TrustedSet } from './metadata/trusted-set.ts'
export { signMetadata, SigningKey } from './repository/signing-key.ts'
export { holdsPrivateKey } from './targets/private-key.ts'
