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
