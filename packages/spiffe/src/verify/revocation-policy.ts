import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { describeValue } from '../describe.ts'
import { OptionReader } from '../option-reader.ts'

/**
 * How the verifier uses revocation lists.
 *
 * - `off`: it ignores them.
 * - `soft`: it refuses a certificate on a current list of its issuer. Without such a list it refuses none.
 * - `strict`: in addition, every certificate below the authority must be covered by a current list of its
 *   issuer. Whoever can withhold the lists can then stop all traffic.
 */
export type RevocationPolicy = 'off' | 'soft' | 'strict'

/** One policy for all trust domains, with exceptions by name. */
export interface RevocationOptions {
  /** Default `soft`. */
  readonly default?: RevocationPolicy
  /** By the name of the trust domain, such as `partner.example`. Default: no exceptions. */
  readonly trustDomains?: Readonly<Record<string, RevocationPolicy>>
}

const DEFAULT: RevocationPolicy = 'soft'
const POLICIES: ReadonlySet<unknown> = new Set<RevocationPolicy>(['off', 'soft', 'strict'])
const reader: OptionReader = new OptionReader(SpiffeError)
const NAMES: ReadonlySet<string> = new Set<keyof RevocationOptions>(['default', 'trustDomains'])

/** Which policy holds for which trust domain. Immutable. */
export class RevocationPolicies {
  /** The same for the same policies: what to key a `Map` with. */
  readonly key: string
  readonly #default: RevocationPolicy
  readonly #byName: ReadonlyMap<string, RevocationPolicy>

  private constructor(otherwise: RevocationPolicy, byName: ReadonlyMap<string, RevocationPolicy>) {
    this.#default = otherwise
    this.#byName = byName
    this.key = JSON.stringify([otherwise, [...byName].map(String).toSorted()])
    Object.freeze(this)
  }

  /**
   * Reads options as an operator writes them.
   * @throws {@link SpiffeError} `unknown-option`, `invalid-revocation-policy`, `invalid-trust-domain`
   */
  static of(options: RevocationPolicy | RevocationOptions = DEFAULT): RevocationPolicies {
    if (typeof options === 'string') return new RevocationPolicies(read(options), new Map())
    if (!isRecord(options)) throw invalid(options)
    reader.assertKnown('revocation', options, NAMES)
    const { default: otherwise = DEFAULT, trustDomains = {} } = options
    return new RevocationPolicies(read(otherwise), readEach(trustDomains))
  }

  for({ name }: TrustDomain): RevocationPolicy {
    return this.#byName.get(name) ?? this.#default
  }
}

function read(policy: RevocationPolicy): RevocationPolicy {
  if (POLICIES.has(policy)) return policy
  throw invalid(policy)
}

function readEach(
  trustDomains: Readonly<Record<string, RevocationPolicy>>,
): ReadonlyMap<string, RevocationPolicy> {
  if (!isRecord(trustDomains)) {
    const message = 'revocation.trustDomains must be an object with the names of trust domains'
    throw new SpiffeError('invalid-revocation-policy', message)
  }
  const byName = new Map<string, RevocationPolicy>()
  for (const [input, policy] of Object.entries(trustDomains)) {
    const { name } = TrustDomain.parse(input)
    if (byName.has(name)) {
      const message = `revocation has two policies for the trust domain ${name}`
      throw new SpiffeError('invalid-revocation-policy', message)
    }
    byName.set(name, read(policy))
  }
  return byName
}

/** Neither an array nor a `Map`, whose entries would be ignored. */
function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value)
}

function invalid(policy: unknown): SpiffeError {
  const message = `a revocation policy must be 'off', 'soft' or 'strict' (found: ${describeValue(policy)})`
  return new SpiffeError('invalid-revocation-policy', message)
}
