import type { Certificate } from '../x509/certificate.ts'
import { ANY_POLICY, type PolicyMapping } from '../x509/certificate-policies.ts'
import type { Refusal } from './refusal.ts'

/** Policies and mappings looked at in one verification, about 0.1 µs each: more are refused. */
const MAX_WORK = 50_000

/** Where no certificate has said anything: more than there are certificates. */
const UNRESTRICTED = Infinity

const NO_POLICY: Refusal = {
  code: 'no-valid-policy',
  message: 'a certificate policy is required, and none is valid for the whole path',
}

const TOO_MUCH_WORK: Refusal = {
  code: 'no-valid-policy',
  message: 'there are too many certificate policies to find out which are valid',
}

/**
 * The certificate policies of one verification (RFC 5280 §6.1.2–§6.1.5, as RFC 9618 has it). All
 * policies are acceptable to begin with, none is required, mappings and anyPolicy count: what issuers
 * demand decides.
 *
 * Of the graph of RFC 9618 only the level of the last certificate is kept. The levels above say
 * which of the policies that a user asked for hold, which is not needed here: whether the graph is
 * empty shows in the last level alone. A level is a set, so that the work grows with the octets
 * that were sent.
 *
 * What an authority in the bundle restricts binds as well, as if it were the first certificate of the
 * path (RFC 5280 §6.2); one that names no policy stands for all of them.
 */
export class PolicyChecks {
  #work = 0

  /** @param path complete, leaf first, anchor last */
  refusal(path: readonly Certificate[]): Refusal | undefined {
    // Until a certificate requires a policy, none of them has to be valid.
    if (!path.some(requiresPolicy)) return undefined
    const level = new PolicyLevel()
    for (let index = path.length - 1; index >= 0; index -= 1) {
      const [certificate, isAnchor] = [path[index]!, index === path.length - 1]
      this.#work += level.size + sizeOf(certificate)
      if (this.#work > MAX_WORK) return TOO_MUCH_WORK
      level.assert(certificate, isAnchor, index === 0)
      if (!level.isValid) return NO_POLICY
      if (index === 0) level.conclude(certificate)
      else level.prepareNext(certificate)
    }
    return level.isValid ? undefined : NO_POLICY
  }
}

function requiresPolicy({ extensions: { policyConstraints } }: Certificate): boolean {
  return policyConstraints?.value.requireExplicitPolicy !== undefined
}

function sizeOf({ extensions: { certificatePolicies, policyMappings } }: Certificate): number {
  return 1 + (certificatePolicies?.value.length ?? 0) + (policyMappings?.value.length ?? 0)
}

/** The last level of the graph, and how many more certificates may follow before each rule holds. */
class PolicyLevel {
  /** The policies that the next certificate may assert: none when the graph is empty. */
  #policies: ReadonlySet<string> = new Set([ANY_POLICY])
  #explicitPolicy = UNRESTRICTED
  #policyMapping = UNRESTRICTED
  #anyPolicy = UNRESTRICTED

  get size(): number {
    return this.#policies.size
  }

  /** RFC 5280 §6.1.3 f: no policy is required as yet, or one is valid. */
  get isValid(): boolean {
    return this.#explicitPolicy > 0 || this.#policies.size > 0
  }

  /** RFC 5280 §6.1.3 d–e: the policies that the certificate asserts, and that were valid so far. */
  assert(certificate: Certificate, isAnchor: boolean, isLeaf: boolean): void {
    const asserted = certificate.extensions.certificatePolicies?.value
    if (asserted === undefined) {
      if (!isAnchor) this.#policies = new Set()
      return
    }
    const anyCounts = this.#anyPolicy > 0 || (!isLeaf && certificate.isSelfIssued)
    this.#policies = validOf(asserted, this.#policies, anyCounts)
  }

  /** RFC 5280 §6.1.4 a–b, h–j. */
  prepareNext({ extensions, isSelfIssued }: Certificate): void {
    const { policyMappings, policyConstraints, inhibitAnyPolicy } = extensions
    if (policyMappings !== undefined) {
      this.#policies = mapped(this.#policies, policyMappings.value, this.#policyMapping > 0)
    }
    const spent = isSelfIssued ? 0 : 1
    const { requireExplicitPolicy, inhibitPolicyMapping } = policyConstraints?.value ?? {}
    this.#explicitPolicy = lower(this.#explicitPolicy, spent, requireExplicitPolicy)
    this.#policyMapping = lower(this.#policyMapping, spent, inhibitPolicyMapping)
    this.#anyPolicy = lower(this.#anyPolicy, spent, inhibitAnyPolicy?.value)
  }

  /** RFC 5280 §6.1.5 a–b: of what the leaf says, a policy that is required at once counts. */
  conclude({ extensions: { policyConstraints } }: Certificate): void {
    const required = policyConstraints?.value.requireExplicitPolicy === 0 ? 0 : undefined
    this.#explicitPolicy = lower(this.#explicitPolicy, 1, required)
  }
}

/** RFC 5280 §6.1.3 d 1–2. */
function validOf(
  asserted: readonly string[],
  allowed: ReadonlySet<string>,
  anyCounts: boolean,
): ReadonlySet<string> {
  const isAny = allowed.has(ANY_POLICY)
  const own = asserted.filter((policy) => policy !== ANY_POLICY && (isAny || allowed.has(policy)))
  // What is asserted as anyPolicy is all that was valid so far, and no more.
  const stoodFor = anyCounts && asserted.includes(ANY_POLICY) ? allowed : []
  return new Set([...own, ...stoodFor])
}

function lower(count: number, spent: number, limit: number = UNRESTRICTED): number {
  return Math.min(Math.max(0, count - spent), limit)
}

/** RFC 5280 §6.1.4 b: policies of the issuer give way to those of the subject, or are lost. */
function mapped(
  policies: ReadonlySet<string>,
  mappings: readonly PolicyMapping[],
  isAllowed: boolean,
): ReadonlySet<string> {
  const next = new Set(policies)
  for (const { issuerPolicy } of mappings) next.delete(issuerPolicy)
  if (!isAllowed) return next
  for (const { issuerPolicy, subjectPolicy } of mappings) {
    // A policy that anyPolicy stands for is there to be mapped.
    if (policies.has(issuerPolicy) || policies.has(ANY_POLICY)) next.add(subjectPolicy)
  }
  return next
}
