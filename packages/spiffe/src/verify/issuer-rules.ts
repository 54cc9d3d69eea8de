import { quote } from '../id/quote.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import type { Certificate } from '../x509/certificate.ts'
import { CLIENT_AUTH, SERVER_AUTH, unknownCriticalRefusal, weakKeyRefusal } from './leaf-profile.ts'
import type { NameConstraintChecks } from './name-constraints.ts'
import type { Refusal } from './refusal.ts'
import type { TimeWindow } from './clock-skew.ts'

const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0'

/**
 * The first rule for issuers that `issuer` breaks on every path; `undefined` when it breaks none. It
 * does not check signatures.
 * @param leaf given for an intermediate that must be of the leaf's trust domain
 */
export function issuerRefusal(
  issuer: Certificate,
  now: TimeWindow,
  leaf: Certificate | undefined,
): Refusal | undefined {
  return (
    weakKeyRefusal(issuer, 'an issuer') ??
    authorityRefusal(issuer) ??
    unknownCriticalRefusal(issuer, 'an issuer') ??
    validityRefusal(issuer, now, 'an issuer') ??
    identityRefusal(issuer) ??
    (leaf === undefined ? undefined : foreignIntermediateRefusal(issuer, leaf))
  )
}

/**
 * The first rule that `issuer` breaks at the end of a path.
 * @param below the path up to the issuer, leaf first
 */
export function pathRefusal(
  issuer: Certificate,
  below: readonly Certificate[],
  nameConstraints: NameConstraintChecks,
): Refusal | undefined {
  const refusal = pathLengthRefusal(issuer, below)
  if (refusal !== undefined) return refusal
  const message = nameConstraints.fault(issuer, below)
  return message === undefined ? undefined : { code: 'name-constraints', message }
}

/** RFC 5280 §6.1.3 a 2. Written so that a clock which gives NaN refuses. */
export function validityRefusal(
  { notBefore, notAfter }: Certificate,
  { earliest, latest }: TimeWindow,
  what: string,
): Refusal | undefined {
  if (!(latest >= notBefore)) {
    const since = new Date(notBefore).toISOString()
    return { code: 'not-yet-valid', message: `${what} is not valid before ${since}` }
  }
  if (!(earliest <= notAfter)) {
    const end = new Date(notAfter).toISOString()
    return { code: 'expired', message: `${what} expired at ${end}` }
  }
  return undefined
}

/** X509-SVID §4.1, §4.3, RFC 5280 §6.1.4 k, n: a CA, and one that may sign certificates. */
function authorityRefusal(issuer: Certificate): Refusal | undefined {
  if (!issuer.isCertificateAuthority) {
    return { code: 'issuer-not-ca', message: 'an issuer is not a CA that may sign certificates' }
  }
  const purposes = issuer.extensions.extendedKeyUsage
  if (purposes?.critical !== true || purposes.value.includes(ANY_EXTENDED_KEY_USAGE)) {
    return undefined
  }
  // RFC 5280 §4.2.1.12: a critical one binds. It is rarely critical on issuers, and ignored otherwise.
  if (purposes.value.includes(SERVER_AUTH) && purposes.value.includes(CLIENT_AUTH)) return undefined
  return {
    code: 'extended-key-usage',
    message: "an issuer's critical extended key usage lacks serverAuth or clientAuth",
  }
}

/** RFC 5280 §4.2.1.9, §6.1.4 l–m: intermediates count, self-issued ones and the leaf do not. */
function pathLengthRefusal(
  issuer: Certificate,
  below: readonly Certificate[],
): Refusal | undefined {
  const limit = issuer.extensions.basicConstraints?.value.pathLength
  if (limit === undefined) return undefined
  const count = below.filter((certificate, index) => index > 0 && !certificate.isSelfIssued).length
  if (count <= limit) return undefined
  return {
    code: 'path-too-long',
    message: `${count} intermediates below an issuer that allows ${limit}`,
  }
}

/**
 * X509-SVID §3.2: the SPIFFE ID of an intermediate is in the trust domain of the leaf. Otherwise trust
 * domains that share a root could issue for one another. Authorities of the bundle are exempt.
 */
function foreignIntermediateRefusal(
  intermediate: Certificate,
  leaf: Certificate,
): Refusal | undefined {
  const [id] = spiffeUris(intermediate)
  if (id === undefined) return undefined
  const [own, theirs] = [SpiffeId.parse(leaf.uris[0]!), SpiffeId.parse(id)]
  if (theirs.trustDomain.equals(own.trustDomain)) return undefined
  return {
    code: 'issuer-id-foreign',
    message: `an intermediate has the name ${id}, but the leaf is of ${own.trustDomain.name}`,
  }
}

function spiffeUris({ uris }: Certificate): readonly string[] {
  return uris.filter((uri) => /^spiffe:/i.test(uri))
}

/** X509-SVID §3.2: the SPIFFE ID of a signing certificate is optional, and has no path. */
function identityRefusal(issuer: Certificate): Refusal | undefined {
  const ids = spiffeUris(issuer)
  const [id] = ids
  if (id === undefined) return undefined
  const parsed = SpiffeId.safeParse(id)
  if (!parsed.ok || ids.length > 1) {
    return {
      code: 'issuer-id-invalid',
      message: `an issuer is named ${quote(ids.join(' '))}, which is not one SPIFFE ID`,
    }
  }
  if (parsed.value.path === '') return undefined
  return { code: 'issuer-id-has-path', message: `an issuer is named ${id}, which has a path` }
}
