export { Authority } from './authority/authority.ts'
export type { BundlePublisher } from './authority/federation.ts'
export type { IdentityOptions } from './workload/identity.ts'
export type { LocalAuthorityState } from './authority/authority-states.ts'
export type { JwtSvidTemplate, LocalJwtAuthority } from './authority/jwt-authorities.ts'
export type { JwtIssuer } from './authority/jwt-issuer.ts'
export type { LocalAuthority } from './authority/local-authorities.ts'
export type { AuthorityOptions } from './authority/settings.ts'
export type { WorkloadApiCall } from './endpoint/calls.ts'
export type { WorkloadEndpointOptions } from './endpoint/options.ts'
export type {
  StreamMethod,
  UnaryMethod,
  WorkloadApiMessage,
  WorkloadApiMethod,
} from './endpoint/service.ts'
export type { StatusName } from './endpoint/status.ts'
export type {
  DropOptions,
  FailOptions,
  MethodOptions,
  SendOptions,
  WorkloadEndpoint,
} from './endpoint/workload-endpoint.ts'
export { AuthorityError } from './errors.ts'
export type { AuthorityErrorCode } from './errors.ts'
export type { JwtKeyType, JwtMembers } from './minting/jwt-signer.ts'
export { generateKeyPair } from './minting/key-pair.ts'
export type { KeyPair, KeyType, SignatureHash } from './minting/key-pair.ts'
export { mintRootCa } from './minting/mint-root-ca.ts'
export type { MintRootCaOptions } from './minting/mint-root-ca.ts'
export type { MintedCa } from './minting/minted-ca.ts'
export type { MintedCertificate } from './minting/minted-certificate.ts'
export type {
  CertificateTemplate,
  KeyUsageBit,
  RawExtension,
  RevocationListTemplate,
  SigningCa,
  SvidTemplate,
  UriNameConstraints,
} from './minting/template.ts'
export type { InProcessSource } from './source/in-process-source.ts'
