export { SpiffeError } from './errors.ts'
export type { Parsed, SpiffeErrorCode } from './errors.ts'
export { SpiffeId } from './id/spiffe-id.ts'
export { TrustDomain } from './id/trust-domain.ts'
