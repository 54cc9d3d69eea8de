/**
 * Shared by the packages of this project, and not public: it changes in any version.
 * @internal
 * @module
 */
export { decodeBase64, decodeBase64Url } from './base64.ts'
export { MAX_BUNDLE_BYTES } from './bundle/jwk-set.ts'
export { FairCache } from './cache/fair-cache.ts'
export type { FairCacheOptions } from './cache/fair-cache.ts'
export { CodedError } from './coded-error.ts'
export { readObjectIdentifier } from './der/object-identifier.ts'
export { DerReader, invalidDer } from './der/reader.ts'
export { contextTag, contextTagConstructed, TAG } from './der/tags.ts'
export { readTime } from './der/time.ts'
export { readFlag, readOctetAlignedBitString, readSmallInteger, readWhole } from './der/values.ts'
export { describeCause, describeName, describeValue } from './describe.ts'
export { parseJson } from './json/parse-json.ts'
export type { JsonLimits } from './json/parse-json.ts'
export { isTime } from './jwt-svid/claims.ts'
export { readCompactJwt } from './jwt-svid/compact-jwt.ts'
export type { CompactJwt } from './jwt-svid/compact-jwt.ts'
export { readAudience } from './jwt-svid/options.ts'
export { singleIdOf } from './match/sets.ts'
export { hasMethods, isObject } from './objects.ts'
export { OptionReader, unknownOption } from './option-reader.ts'
export type { OptionErrorClass, OptionErrorCode } from './option-reader.ts'
export {
  problemPublisher,
  publishBundles,
  publishChanges,
  publishProblem,
  publishRejection,
  publishState,
  rejectionPublisher,
} from './source/events.ts'
export type { ProblemPublisher, RejectedPart, RejectionPublisher } from './source/events.ts'
export { ExpiryMonitor } from './source/expiry-monitor.ts'
export { InitialSync } from './source/initial-sync.ts'
export { keepEqual } from './source/keep-equal.ts'
export { judgeOwnSvid } from './source/own-svid.ts'
export type { OwnSvid } from './source/own-svid.ts'
export { Problems, QUIET_MS } from './source/problems.ts'
export { bundleSourceFault, sourceFault } from './source/source-fault.ts'
export { Updates } from './source/updates.ts'
export { inSlices } from './steps.ts'
export type { Steps } from './steps.ts'
export { JWS_HASHES, jwsAlgorithmOf } from './svid/jws-algorithm.ts'
export { TaskQueue } from './task-queue.ts'
export { readPemCertificates } from './x509/certificates.ts'
export { readExtensionList } from './x509/extension-list.ts'
export { Name as DistinguishedName } from './x509/name.ts'
export { readSerialNumber } from './x509/serial-number.ts'
export { readSignatureAlgorithm } from './x509/signature-algorithm.ts'
export { isSignedByKeyOf } from './x509/signature.ts'
export type { Signed } from './x509/signature.ts'
export {
  canonicalDnsName,
  canonicalIpAddress,
  MAX_ALT_NAMES,
  presentedDnsName,
} from './x509/subject-alt-names.ts'
export { writePem } from './x509/pem.ts'
export { MAX_TIMER_MS, setReferencedTimer, setUnreferencedTimer } from './timer.ts'
