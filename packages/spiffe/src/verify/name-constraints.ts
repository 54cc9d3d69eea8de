import { quote } from '../id/quote.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { GeneralName } from '../x509/general-name.ts'
import type { NameConstraints } from '../x509/name-constraints.ts'
import { comparable, isWithin, touches } from './subtrees.ts'

/** Names held against subtrees in one verification, about 0.1 µs each: more are refused. */
const MAX_COMPARISONS = 100_000

/**
 * The name constraints of one verification (RFC 5280 §4.2.1.10, §6.1.3 b–c, §6.1.4 g): each
 * certificate is held against each issuer once.
 *
 * URIs, DNS names, mailboxes, IP addresses and directory names are compared. Constraints of other
 * kinds are refused when they are critical, and have no effect when not. Those of an authority in the
 * bundle count as well.
 */
export class NameConstraintChecks {
  readonly #faults = new Map<Certificate, Map<Certificate, string | undefined>>()
  #comparisons = 0

  /**
   * Why `issuer` does not allow the names of the certificates below it, `undefined` when it does.
   * @param below the path up to the issuer, leaf first
   */
  fault(issuer: Certificate, below: readonly Certificate[]): string | undefined {
    const constraints = issuer.extensions.nameConstraints
    if (constraints === undefined) return undefined
    const { critical, value } = constraints
    if (value.fault !== undefined) return value.fault
    if (critical && [...value.permitted, ...value.excluded].some(({ form }) => form === 'other')) {
      return 'an issuer constrains names of a kind that is not supported'
    }
    for (const [index, certificate] of below.entries()) {
      // RFC 5280 §6.1.3 b–c: a self-issued certificate is exempt, unless it is the leaf.
      if (index > 0 && certificate.isSelfIssued) continue
      const fault = this.#known(issuer, certificate, value)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #known(
    issuer: Certificate,
    certificate: Certificate,
    value: NameConstraints,
  ): string | undefined {
    const faults = this.#faults.get(issuer) ?? new Map<Certificate, string | undefined>()
    this.#faults.set(issuer, faults)
    if (!faults.has(certificate)) faults.set(certificate, this.#compare(certificate, value))
    return faults.get(certificate)
  }

  #compare(certificate: Certificate, constraints: NameConstraints): string | undefined {
    const names = namesOf(certificate)
    const subtrees = constraints.permitted.length + constraints.excluded.length
    this.#comparisons += names.length * subtrees
    if (this.#comparisons > MAX_COMPARISONS)
      return 'there are too many names to hold against constraints'
    for (const name of names) {
      const fault = nameFault(name, constraints)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

/** All names of the subject (RFC 5280 §4.2.1.10): the alternative ones, the subject, the mailboxes in it. */
function namesOf({ subject, extensions }: Certificate): readonly GeneralName[] {
  const names = [...(extensions.subjectAltName?.value.names ?? [])]
  if (!subject.isEmpty) names.push({ form: 'directory', name: subject })
  for (const text of subject.emailAddresses) names.push({ form: 'email', text })
  return names
}

function nameFault(
  name: GeneralName,
  constraints: Pick<NameConstraints, 'permitted' | 'excluded'>,
): string | undefined {
  const isOfForm = ({ form }: GeneralName): boolean => form === name.form
  const permitted = constraints.permitted.filter(isOfForm)
  const excluded = constraints.excluded.filter(isOfForm)
  if (name.form === 'other' || (permitted.length === 0 && excluded.length === 0)) return undefined
  const compared = comparable(name)
  if (compared === undefined) return `${textOf(name)} cannot be held against name constraints`
  // RFC 5280 §4.2.1.10: what is excluded is invalid, whatever is permitted.
  if (excluded.some((base) => touches(base, compared)))
    return `${textOf(name)} is excluded by an issuer`
  if (permitted.length === 0 || permitted.some((base) => isWithin(base, compared))) return undefined
  return `${textOf(name)} is not among the names that an issuer permits`
}

function textOf(name: GeneralName): string {
  return 'text' in name ? quote(name.text) : `a name of the kind ${name.form}`
}
