export type { CertIdHash } from './certificate/cert-id.ts'
export type { Pem } from './certificate/own-certificate.ts'
export { stapleVerifier } from './client/staple-verifier.ts'
export type { StapleRefusalCode, StapleVerifierOptions } from './client/staple-verifier.ts'
export { OcspError } from './errors.ts'
export type { OcspErrorCode } from './errors.ts'
export type {
  OcspCertificate,
  OcspNotFollowedEvent,
  OcspRefreshedEvent,
  OcspRefreshFailedEvent,
  OcspRevokedEvent,
  OcspStapleLostEvent,
  OcspStoreFailedEvent,
  RefreshFailureCode,
} from './events.ts'
export type { OcspOptions, OcspStaplerOptions } from './options.ts'
export { ocsp, ocsp as default } from './plugin.ts'
export type { OcspLog } from './report.ts'
export type { StapleStatus } from './staple/followed-certificate.ts'
export type { NonceMode } from './settings.ts'
export { OcspStapler } from './staple/stapler.ts'
export { TransportError } from './transport/transport.ts'
export type {
  OcspTransport,
  OcspTransportOptions,
  TransportFailureCode,
} from './transport/transport.ts'
export { ocspRefusalCodes } from './verify/refusal.ts'
export type { OcspRefusal, OcspRefusalCode } from './verify/refusal.ts'
export type { OcspSigner } from './verify/signer.ts'
export type { CertificateStatus, RevocationCause } from './verify/single-response.ts'
export { verifyOcspResponse } from './verify/verify-ocsp-response.ts'
export type {
  OcspAnswer,
  OcspVerification,
  VerifyOcspOptions,
} from './verify/verify-ocsp-response.ts'
