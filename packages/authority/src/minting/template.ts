import { reader } from '../options.ts'
import type { KeyPair, KeyType, SignatureHash } from './key-pair.ts'

/** The bits of the KeyUsage extension (RFC 5280 §4.2.1.3). */
export type KeyUsageBit =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly'

/** An extension, written into the certificate as it is. */
export interface RawExtension {
  /** Dotted decimal, such as `1.3.6.1.4.1.99999.1`. */
  readonly oid: string
  /** Default `false`. */
  readonly critical?: boolean
  /** The DER of the value, without its octet string. */
  readonly value: Uint8Array
}

/** URI constraints of a CA (RFC 5280 §4.2.1.10). */
export interface UriNameConstraints {
  /** Hosts (`example.org`) or domains (`.example.org`) that URIs must be in. */
  readonly permittedUris?: readonly string[]
  /** Hosts or domains that URIs must not be in. */
  readonly excludedUris?: readonly string[]
  /** Default `true`. */
  readonly critical?: boolean
}

/** A CA that signs in place of the one that mints. A `MintedCa` is one. */
export interface SigningCa {
  /** Its distinguished name. */
  readonly subject: string
  readonly keyPair: KeyPair
  /** The intermediates that go with what it issues, nearest first; DER. */
  readonly chain: readonly Buffer[]
}

/**
 * What a certificate is made from. A member that is left out is as SPIRE issues it. Values are not
 * checked: a test kit must be able to make every certificate that has to be refused.
 */
export interface CertificateTemplate {
  /** Milliseconds since the epoch, cut to seconds. Default: 10 s ago. */
  readonly notBefore?: number
  /** Milliseconds since the epoch, cut to seconds. Default: one hour from now; a CA: 24 hours. */
  readonly notAfter?: number
  /** The URI names, in any number and with any text. Default: the SPIFFE ID alone. */
  readonly uris?: readonly string[]
  /** DNS names beside the URIs. Default: none. */
  readonly dnsNames?: readonly string[]
  /** IP addresses beside the URIs. Default: none. */
  readonly ipAddresses?: readonly string[]
  /** Whether the SubjectAltName is critical. Default: when the subject is empty, as RFC 5280 demands. */
  readonly sanCritical?: boolean
  /** A distinguished name, or `''`. Default `C=US,O=SPIRE`; a CA: `C=US,O=SPIFFE` and a number. */
  readonly subject?: string
  /** The name of the issuer. Default: the subject of the CA that signs. */
  readonly issuer?: string
  /** `cA` of BasicConstraints, or `'absent'` for none. Default: `false` for a leaf, `true` for a CA. */
  readonly ca?: boolean | 'absent'
  /** `pathLenConstraint` of BasicConstraints. Default: none. */
  readonly pathLength?: number
  /** Default: digitalSignature, keyEncipherment, keyAgreement; a CA: keyCertSign, cRLSign. */
  readonly keyUsage?: readonly KeyUsageBit[] | 'absent'
  /** Default `true`. */
  readonly keyUsageCritical?: boolean
  /** `serverAuth`, `clientAuth` or OIDs. Default: those two; a CA: absent. */
  readonly extendedKeyUsage?: readonly string[] | 'absent'
  /** Default: none. */
  readonly nameConstraints?: UriNameConstraints
  /** Default `true`. */
  readonly subjectKeyIdentifier?: boolean
  /** Default: `true`, unless the certificate is signed with its own key. */
  readonly authorityKeyIdentifier?: boolean
  /** Extensions after all others. Default: none. */
  readonly extraExtensions?: readonly RawExtension[]
  /** OIDs of extensions that the certificate has twice. Default: none. */
  readonly duplicateExtensions?: readonly string[]
  /** Positive, lower-case hexadecimal. Default: 16 random bytes. */
  readonly serialNumber?: string
  /** The type of the certified key, if there is no `keyPair`. Default: that of the CA. */
  readonly keyType?: KeyType
  /** The certified key. Default: a new one. */
  readonly keyPair?: KeyPair
  /** Default: SHA-256, or what fits the curve of the signing key. Ed25519 has its own. */
  readonly hash?: SignatureHash
  /** The CA that signs, or `'self'`. Default: the CA that mints. */
  readonly signedBy?: SigningCa | 'self'
  /** Whether the signature is wrong. Default `false`. */
  readonly corruptSignature?: boolean
}

/** What an X.509-SVID is made from: a {@link CertificateTemplate}, and what the workload gets with it. */
export interface SvidTemplate extends CertificateTemplate {
  /** Whether the private key is another one than the certified one. Default `false`. */
  readonly mismatchedKey?: boolean
  /**
   * Returns the certificates to present, leaf first, each as DER: it can drop, reorder or add
   * intermediates. Default: the leaf and the intermediates that it needs.
   */
  readonly chain?: (certificates: readonly Buffer[]) => readonly Uint8Array[]
}

/** What a revocation list is made from. The default is an empty list that is current for one hour. */
export interface RevocationListTemplate {
  /** The serial numbers of the certificates that are revoked, lower-case hexadecimal. Default: none. */
  readonly revoked?: readonly string[]
  /** Milliseconds since the epoch, cut to seconds. Default: now. */
  readonly thisUpdate?: number
  /** Milliseconds since the epoch, cut to seconds. Default: one hour from now. */
  readonly nextUpdate?: number
  /** Extensions after all others. Default: none. */
  readonly extraExtensions?: readonly RawExtension[]
  /** Default: as for a certificate. */
  readonly hash?: SignatureHash
  /** The CA whose key signs, in the name of the one that mints. Default: the one that mints. */
  readonly signedBy?: SigningCa
  /** Whether the signature is wrong. Default `false`. */
  readonly corruptSignature?: boolean
}

const CERTIFICATE_TEMPLATE: Readonly<Record<keyof CertificateTemplate, true>> = {
  notBefore: true,
  notAfter: true,
  uris: true,
  dnsNames: true,
  ipAddresses: true,
  sanCritical: true,
  subject: true,
  issuer: true,
  ca: true,
  pathLength: true,
  keyUsage: true,
  keyUsageCritical: true,
  extendedKeyUsage: true,
  nameConstraints: true,
  subjectKeyIdentifier: true,
  authorityKeyIdentifier: true,
  extraExtensions: true,
  duplicateExtensions: true,
  serialNumber: true,
  keyType: true,
  keyPair: true,
  hash: true,
  signedBy: true,
  corruptSignature: true,
}

const SVID_TEMPLATE: Readonly<Record<keyof SvidTemplate, true>> = {
  ...CERTIFICATE_TEMPLATE,
  mismatchedKey: true,
  chain: true,
}

const REVOCATION_LIST_TEMPLATE: Readonly<Record<keyof RevocationListTemplate, true>> = {
  revoked: true,
  thisUpdate: true,
  nextUpdate: true,
  extraExtensions: true,
  hash: true,
  signedBy: true,
  corruptSignature: true,
}

type TemplateKind = 'ca' | 'svid' | 'revocation-list'

const TEMPLATES: Readonly<Record<TemplateKind, object>> = {
  ca: CERTIFICATE_TEMPLATE,
  svid: SVID_TEMPLATE,
  'revocation-list': REVOCATION_LIST_TEMPLATE,
}

/**
 * Refuses a template with a misspelt member, which would yield a good certificate in place of a bad one.
 * @throws {@link AuthorityError} `unknown-option`
 */
export function checkTemplate(kind: TemplateKind, template: object): void {
  reader.assertKnown('a template', template, Object.keys(TEMPLATES[kind]))
}
