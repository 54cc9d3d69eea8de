import { quote } from '../id/quote.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { NameConstraints } from '../x509/name-constraints.ts'

const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i
const CONSTRAINT = /^\.?[a-z0-9._-]*$/

/**
 * Why `issuer` does not allow the names of the certificates below it, `undefined` when it does.
 *
 * RFC 5280 §4.2.1.10, §6.1.3 b–c, for URIs. Constraints of other kinds are not evaluated, so they
 * are refused when critical and have no effect when not. Those of an authority in the bundle count too.
 * @param below the path up to the issuer, leaf first
 */
export function nameConstraintsFault(
  issuer: Certificate,
  below: readonly Certificate[],
): string | undefined {
  const constraints = issuer.extensions.nameConstraints
  if (constraints === undefined) return undefined
  if (constraints.critical && constraints.value.hasOtherForms) {
    return 'an issuer constrains names of a kind that is not supported'
  }
  for (const [index, certificate] of below.entries()) {
    // RFC 5280 §6.1.3: a self-issued certificate is exempt, unless it is the leaf.
    if (index > 0 && certificate.isSelfIssued) continue
    const fault = uriFault(certificate.uris, constraints.value)
    if (fault !== undefined) return fault
  }
  return undefined
}

function uriFault(
  uris: readonly string[],
  { permittedUris, excludedUris }: NameConstraints,
): string | undefined {
  if (permittedUris.length === 0 && excludedUris.length === 0) return undefined
  const permitted = permittedUris.map((base) => base.toLowerCase())
  const excluded = excludedUris.map((base) => base.toLowerCase())
  const unreadable = [...permitted, ...excluded].find((base) => !CONSTRAINT.test(base))
  if (unreadable !== undefined) return `the name constraint ${quote(unreadable)} is not a host`
  for (const uri of uris) {
    const host = hostOf(uri)
    if (host === undefined) return `${quote(uri)} has no host to hold against the name constraints`
    if (excluded.some((base) => covers(base, host))) return `${quote(uri)} is excluded by an issuer`
    if (permitted.length > 0 && !permitted.some((base) => covers(base, host))) {
      return `${quote(uri)} is not among the names that an issuer permits`
    }
  }
  return undefined
}

/** The host of a URI, in lower case; `undefined` when it has none, or an IP literal. */
function hostOf(uri: string): string | undefined {
  const authority = AUTHORITY.exec(uri)?.[1] ?? ''
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:[0-9]*$/, '')
  return host === '' || host.startsWith('[') ? undefined : host.toLowerCase()
}

/**
 * RFC 5280 §4.2.1.10: with a leading period, any host with more labels in front, and not the domain
 * itself; without one, exactly that host; the empty constraint covers all.
 */
function covers(base: string, host: string): boolean {
  if (base === '') return true
  if (!base.startsWith('.')) return host === base
  return host.length > base.length && host.endsWith(base)
}
