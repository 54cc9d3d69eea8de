import type { Call, Caller, CallReader } from '../call.ts'
import { type Decision, deny, type Refusal } from '../decision/decision.ts'
import { Deadline } from '../deadline.ts'
import type { TenantResolver } from '../principals/tenant.ts'
import type {
  AttributeCaller,
  AttributeProvider,
  ProvidedAttributes,
  Provision,
} from './provider.ts'

const REFUSED = deny('attribute-refused')
const LATE = deny('attribute-timeout')
const CODE = /^[a-z]+(?:-[a-z]+)*$/

type Outcome = ProvidedAttributes | Refusal

/** What providers found for the calls that are being decided. */
export class Provisions {
  readonly #reader: CallReader
  readonly #tenantOf: TenantResolver | null
  readonly #timeoutMs: number
  readonly #found = new WeakMap<Call, Map<AttributeProvider, Outcome>>()

  constructor(reader: CallReader, tenantOf: TenantResolver | null, timeoutMs: number) {
    this.#reader = reader
    this.#tenantOf = tenantOf
    this.#timeoutMs = timeoutMs
  }

  /** Asks the providers that were not asked for this call yet. Returns what refuses the call, or `null`. */
  async prepare(
    providers: readonly AttributeProvider[],
    call: Call,
    caller: Caller,
  ): Promise<Decision | null> {
    const found = this.#foundFor(call)
    for (const provider of providers) {
      const outcome = found.get(provider) ?? (await this.#ask(provider, call, caller))
      found.set(provider, outcome)
      if ('allowed' in outcome) return outcome
    }
    return null
  }

  /** An attribute that was found before. */
  get(call: Call, provider: AttributeProvider, name: string): unknown {
    const outcome = this.#found.get(call)?.get(provider)
    return outcome === undefined || 'allowed' in outcome ? undefined : outcome.get(name)
  }

  /** When the first of what was found ends, in milliseconds since the epoch. */
  notAfter(call: Call, providers: readonly AttributeProvider[]): number {
    const found = this.#found.get(call)
    const ends = providers.map((provider) => {
      const outcome = found?.get(provider)
      return outcome === undefined || 'allowed' in outcome ? 0 : (outcome.notAfter ?? Infinity)
    })
    return Math.min(Infinity, ...ends)
  }

  async #ask(provider: AttributeProvider, call: Call, caller: Caller): Promise<Outcome> {
    const { spiffeId, fingerprint256 } = caller
    const tenant = this.#tenantOf?.(spiffeId) ?? null
    const attribute: AttributeCaller['attribute'] = (group, name) =>
      this.#reader.attribute(call, group, name)
    try {
      const asked = { spiffeId, tenant, fingerprint256, attribute }
      const answer = Promise.resolve(provider.provide(call, asked))
      return await new Deadline().race<Outcome>(
        answer.then((it) => outcomeOf(it, provider)),
        this.#timeoutMs,
        LATE,
      )
    } catch (error) {
      return Object.freeze({ ...deny('attribute-failed'), error })
    }
  }

  #foundFor(call: Call): Map<AttributeProvider, Outcome> {
    const found = this.#found.get(call) ?? new Map<AttributeProvider, Outcome>()
    this.#found.set(call, found)
    return found
  }
}

/** Only what a provision is made of: whatever else the provider's object has must not pass for a decision. */
function outcomeOf(provision: Provision, { group }: AttributeProvider): Outcome {
  if ('refused' in provision) return refusalOf(group, provision.code)
  const { notAfter = Infinity } = provision
  if (typeof provision.get !== 'function') throw new TypeError('a provision has a function `get`')
  return { get: (name) => provision.get(name), notAfter }
}

function refusalOf(group: string, code: unknown): Refusal {
  const isCode = typeof code === 'string' && CODE.test(code)
  return isCode ? Object.freeze({ ...REFUSED, detail: `${group}-${code}` }) : REFUSED
}
