import type { Call, Caller, CallReader } from '../call.ts'
import { deny, type Refusal } from '../decision/decision.ts'
import { Deadline } from '../deadline.ts'
import type { TenantResolver } from '../principals/tenant.ts'
import type {
  AttributeCaller,
  AttributeProvider,
  ProvidedAttributes,
  ProviderResult,
} from './provider.ts'

const REFUSED = deny('attribute-refused')
const TIMED_OUT: Resolution = refusedBy(deny('attribute-timeout'))
const CODE = /^[a-z]+(?:-[a-z]+)*$/

/** What asking a provider came to. */
type Resolution =
  | {
      readonly kind: 'provided'
      readonly get: ProvidedAttributes['get']
      readonly notAfter: number
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** What providers found for the calls that are being decided. */
export class AttributeResolver {
  readonly #reader: CallReader
  readonly #tenantOf: TenantResolver | null
  readonly #timeoutMs: number
  readonly #found = new WeakMap<Call, Map<AttributeProvider, Resolution>>()

  constructor(reader: CallReader, tenantOf: TenantResolver | null, timeoutMs: number) {
    this.#reader = reader
    this.#tenantOf = tenantOf
    this.#timeoutMs = timeoutMs
  }

  /** Asks the providers that were not asked for this call yet. Returns what refuses the call, or `null`. */
  async resolve(
    providers: readonly AttributeProvider[],
    call: Call,
    caller: Caller,
  ): Promise<Refusal | null> {
    const found = this.#foundFor(call)
    for (const provider of providers) {
      const resolution = found.get(provider) ?? (await this.#ask(provider, call, caller))
      found.set(provider, resolution)
      if (resolution.kind === 'refused') return resolution.refusal
    }
    return null
  }

  /** An attribute that was found before. */
  get(call: Call, provider: AttributeProvider, name: string): unknown {
    const resolution = this.#found.get(call)?.get(provider)
    return resolution?.kind === 'provided' ? resolution.get(name) : undefined
  }

  /** When the first of what was found ends, in milliseconds since the epoch. */
  notAfter(call: Call, providers: readonly AttributeProvider[]): number {
    const found = this.#found.get(call)
    const ends = providers.map((provider) => {
      const resolution = found?.get(provider)
      return resolution?.kind === 'provided' ? resolution.notAfter : 0
    })
    return Math.min(Infinity, ...ends)
  }

  async #ask(provider: AttributeProvider, call: Call, caller: Caller): Promise<Resolution> {
    const { spiffeId, fingerprint256 } = caller
    const tenant = this.#tenantOf?.(spiffeId) ?? null
    const attribute: AttributeCaller['attribute'] = (group, name) =>
      this.#reader.attribute(call, group, name)
    try {
      const asked = { spiffeId, tenant, fingerprint256, attribute }
      const answer = Promise.resolve(provider.provide(call, asked))
      return await new Deadline().race<Resolution>(
        answer.then((it) => resolutionOf(it, provider)),
        this.#timeoutMs,
        TIMED_OUT,
      )
    } catch (error) {
      return refusedBy(Object.freeze({ ...deny('attribute-failed'), error }))
    }
  }

  #foundFor(call: Call): Map<AttributeProvider, Resolution> {
    const found = this.#found.get(call) ?? new Map<AttributeProvider, Resolution>()
    this.#found.set(call, found)
    return found
  }
}

/** Only what a provision is made of: whatever else the provider's object has must not pass for a decision. */
function resolutionOf(provision: ProviderResult, { group }: AttributeProvider): Resolution {
  // Whatever its value: who names a refusal does not let in.
  if ('refused' in provision) return refusedBy(refusalOf(group, provision.code))
  const { notAfter = Infinity } = provision
  if (typeof provision.get !== 'function') throw new TypeError('a provision has a function `get`')
  return { kind: 'provided', get: (name) => provision.get(name), notAfter }
}

function refusalOf(group: string, code: unknown): Refusal {
  const isCode = typeof code === 'string' && CODE.test(code)
  return isCode ? Object.freeze({ ...REFUSED, detail: `${group}-${code}` }) : REFUSED
}

function refusedBy(refusal: Refusal): Resolution {
  return { kind: 'refused', refusal }
}
