import { SpiffeId } from '../id/spiffe-id.ts'
import { quote } from '../id/quote.ts'
import type { Refusal } from './refusal.ts'
import type { Certificate } from '../x509/certificate.ts'

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * The SPIFFE ID that a leaf claims: its only URI, octet for octet.
 * X509-SVID §2, §5.2: exactly one URI SAN, and that is a SPIFFE ID.
 */
export function readClaimedId({ uris }: Certificate): SpiffeId | Refusal {
  const [uri] = uris
  if (uri === undefined) return { code: 'no-uri-san', message: 'the leaf has no URI SAN' }
  if (uris.length > 1) {
    return { code: 'multiple-uri-sans', message: `the leaf has ${uris.length} URI SANs` }
  }
  const parsed = SpiffeId.safeParse(uri)
  if (parsed.ok) return parsed.value
  return {
    code: 'invalid-spiffe-id',
    message: `the URI SAN ${quote(uri)} is not a SPIFFE ID: ${parsed.error.message}`,
  }
}

/**
 * The first rule for leaves that the certificate breaks; `undefined` when it breaks none. It does not
 * check dates and signatures.
 */
export function leafRefusal(leaf: Certificate, claimedId: SpiffeId): Refusal | undefined {
  return (
    authorityRefusal(leaf) ??
    keyUsageRefusal(leaf) ??
    extendedKeyUsageRefusal(leaf) ??
    identityRefusal(leaf, claimedId) ??
    unknownCriticalRefusal(leaf, 'the leaf') ??
    weakKeyRefusal(leaf, 'the leaf')
  )
}

/** X509-SVID §4.1, §5.2: a leaf is not a CA. */
function authorityRefusal({ extensions }: Certificate): Refusal | undefined {
  if (extensions.basicConstraints?.value.isCa === true) {
    return { code: 'leaf-is-ca', message: 'the leaf is a CA' }
  }
  return undefined
}

/** X509-SVID §4.3, §5.2. */
function keyUsageRefusal({ extensions: { keyUsage } }: Certificate): Refusal | undefined {
  if (keyUsage === undefined) {
    return { code: 'key-usage-missing', message: 'the leaf has no KeyUsage' }
  }
  if (keyUsage.value.includes('keyCertSign') || keyUsage.value.includes('cRLSign')) {
    return { code: 'leaf-can-sign', message: 'the leaf sets keyCertSign or cRLSign' }
  }
  if (!keyUsage.value.includes('digitalSignature')) {
    return { code: 'no-digital-signature', message: 'the leaf does not set digitalSignature' }
  }
  if (!keyUsage.critical) {
    return { code: 'key-usage-not-critical', message: "the leaf's KeyUsage is not critical" }
  }
  return undefined
}

/**
 * X509-SVID §4.4: the extension, if present, has both purposes. TLS libraries treat a single purpose
 * differently on each side; here both sides refuse the same leaves.
 */
function extendedKeyUsageRefusal({ extensions }: Certificate): Refusal | undefined {
  const purposes = extensions.extendedKeyUsage?.value
  if (purposes === undefined) return undefined
  if (purposes.includes(SERVER_AUTH) && purposes.includes(CLIENT_AUTH)) return undefined
  return {
    code: 'extended-key-usage',
    message: "the leaf's extended key usage lacks serverAuth or clientAuth",
  }
}

function identityRefusal(leaf: Certificate, claimedId: SpiffeId): Refusal | undefined {
  // X509-SVID §3.1, §5.2: the path of a leaf's SPIFFE ID is not empty.
  if (claimedId.path === '') {
    return { code: 'root-id', message: `${claimedId.toString()} has no path` }
  }
  // RFC 5280 §4.2.1.6: without a subject, the alternative name is the name.
  if (leaf.subject.isEmpty && leaf.extensions.subjectAltName?.critical !== true) {
    return { code: 'san-not-critical', message: 'the subject is empty and the SAN not critical' }
  }
  return undefined
}

/** RFC 5280 §4.2: a critical extension that is not understood is refused. */
export function unknownCriticalRefusal(
  { extensions: { unknownCritical } }: Certificate,
  what: string,
): Refusal | undefined {
  if (unknownCritical.length === 0) return undefined
  return {
    code: 'unknown-critical-extension',
    message: `${what} has the unknown critical extension ${unknownCritical[0]}`,
  }
}

export function weakKeyRefusal({ publicKey }: Certificate, what: string): Refusal | undefined {
  if (publicKey.weakness === undefined) return undefined
  return { code: 'weak-key', message: `the key of ${what} may not be used: ${publicKey.weakness}` }
}
