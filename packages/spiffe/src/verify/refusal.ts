/** The closed list of why a peer is refused. Log, count and test the codes; do not send them to the peer. */
const codes = [
  /** The peer sent no certificate. */
  'no-certificate',
  /** The peer sent more certificates than the budget allows. */
  'too-many-certificates',
  /** The certificates take more octets than the budget allows. */
  'too-many-bytes',
  /** A certificate that was sent is not strict DER, or not a certificate (RFC 5280 §4). */
  'malformed',
  /** The leaf names no URI (X509-SVID §2). */
  'no-uri-san',
  /** The leaf names several URIs (X509-SVID §2). */
  'multiple-uri-sans',
  /** The leaf's URI is not a SPIFFE ID (SPIFFE-ID §2). */
  'invalid-spiffe-id',
  /** There is no bundle of the leaf's trust domain (X509-SVID §5). */
  'unknown-trust-domain',
  /** The bundle of the leaf's trust domain holds no authority. */
  'empty-bundle',
  /** The leaf is a CA: signing certificates do not authenticate (X509-SVID §4.1, §5.2). */
  'leaf-is-ca',
  /** The leaf has no KeyUsage (X509-SVID §4.3). */
  'key-usage-missing',
  /** The leaf's KeyUsage is not critical (X509-SVID §4.3). */
  'key-usage-not-critical',
  /** The leaf does not set digitalSignature (X509-SVID §4.3). */
  'no-digital-signature',
  /** The leaf sets keyCertSign or cRLSign (X509-SVID §4.3, §5.2). */
  'leaf-can-sign',
  /** An extended key usage that is present lacks serverAuth or clientAuth (X509-SVID §4.4). */
  'extended-key-usage',
  /** The leaf's SPIFFE ID has no path (X509-SVID §3.1, §5.2). */
  'root-id',
  /** The leaf's subject is empty and its SAN not critical (RFC 5280 §4.2.1.6). */
  'san-not-critical',
  /** A certificate on the path has a critical extension that is not understood (RFC 5280 §4.2). */
  'unknown-critical-extension',
  /** A key on the path is of a kind or size that is not allowed. */
  'weak-key',
  /** A signature on the path was made in a way that is not allowed, such as SHA-1. */
  'weak-signature',
  /** A certificate on the path is not valid yet. */
  'not-yet-valid',
  /** A certificate on the path, the authority included, has expired. */
  'expired',
  /** No authority of the trust domain, and no certificate that was sent, has the issuer's name. */
  'no-path',
  /** The issuer's key did not make the signature. */
  'bad-signature',
  /** The issuer is not a CA, or may not sign certificates (RFC 5280 §4.2.1.9, §4.2.1.3). */
  'issuer-not-ca',
  /** An issuer's path length is exceeded (RFC 5280 §4.2.1.9). */
  'path-too-long',
  /** A signing certificate has a SPIFFE ID with a path (X509-SVID §3.2). */
  'issuer-id-has-path',
  /** A signing certificate has a `spiffe:` URI that is not a SPIFFE ID, or several. */
  'issuer-id-invalid',
  /** An intermediate has a SPIFFE ID of another trust domain than the leaf's (X509-SVID §3.2). */
  'issuer-id-foreign',
  /** A name is outside an issuer's name constraints, or these cannot be honoured (RFC 5280 §4.2.1.10). */
  'name-constraints',
  /** An issuer requires a certificate policy, and none is valid for the path (RFC 5280 §6.1.5, RFC 9618). */
  'no-valid-policy',
  /** The issuer of a certificate on the path has revoked it (RFC 5280 §6.3). */
  'revoked',
  /** Revocation is `strict`, and a certificate on the path is not covered by a current list of its issuer. */
  'revocation-unknown',
  /** The search for a path took more signature checks than the budget allows. */
  'budget-exceeded',
] as const

/** Why the verifier refuses a chain; VERIFICATION.md has the rule behind each code. */
export type RefusalCode = (typeof codes)[number]

/** All codes, to enumerate in metrics, tests and documents. */
export const refusalCodes: readonly RefusalCode[] = Object.freeze(codes)

/** The rule that a peer broke, and how. */
export interface Refusal {
  readonly code: RefusalCode
  /** For logs, not for the peer. It may quote what the peer sent, shortened and in printable characters. */
  readonly message: string
}
