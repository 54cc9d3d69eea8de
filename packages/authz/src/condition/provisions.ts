import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import { type Decision, deny, type Refusal } from '../decide/decision.ts'
import { Deadline } from '../step/deadline.ts'
import type { TenantResolver } from '../tenant/tenant.ts'
import type { AttributeProvider, ProvidedAttributes, Provision } from './provider.ts'

const REFUSED = deny('attribute-refused')
const LATE = deny('attribute-timeout')
const CODE = /^[a-z]+(?:-[a-z]+)*$/

type Outcome = ProvidedAttributes | Refusal

/** What providers found for the requests that are being decided. */
export class Provisions {
  readonly #tenantOf: TenantResolver | null
  readonly #timeoutMs: number
  readonly #found = new WeakMap<FastifyRequest, Map<AttributeProvider, Outcome>>()

  constructor(tenantOf: TenantResolver | null, timeoutMs: number) {
    this.#tenantOf = tenantOf
    this.#timeoutMs = timeoutMs
  }

  /** Asks the providers that were not asked for this request yet. Returns what refuses the request, or `null`. */
  async prepare(
    providers: readonly AttributeProvider[],
    request: FastifyRequest,
    spiffeId: SpiffeId,
  ): Promise<Decision | null> {
    const found = this.#foundFor(request)
    for (const provider of providers) {
      const outcome = found.get(provider) ?? (await this.#ask(provider, request, spiffeId))
      found.set(provider, outcome)
      if ('allowed' in outcome) return outcome
    }
    return null
  }

  /** An attribute that was found before. */
  get(request: FastifyRequest, provider: AttributeProvider, name: string): unknown {
    const outcome = this.#found.get(request)?.get(provider)
    return outcome === undefined || 'allowed' in outcome ? undefined : outcome.get(name)
  }

  /** When the first of what was found ends, in milliseconds since the epoch. */
  notAfter(request: FastifyRequest, providers: readonly AttributeProvider[]): number {
    const found = this.#found.get(request)
    const ends = providers.map((provider) => {
      const outcome = found?.get(provider)
      return outcome === undefined || 'allowed' in outcome ? 0 : (outcome.notAfter ?? Infinity)
    })
    return Math.min(Infinity, ...ends)
  }

  async #ask(
    provider: AttributeProvider,
    request: FastifyRequest,
    spiffeId: SpiffeId,
  ): Promise<Outcome> {
    const tenant = this.#tenantOf?.(spiffeId) ?? null
    try {
      const answer = Promise.resolve(provider.provide(request, { spiffeId, tenant }))
      return await new Deadline().race<Outcome>(
        answer.then((it) => outcomeOf(it, provider)),
        this.#timeoutMs,
        LATE,
      )
    } catch (error) {
      return Object.freeze({ ...deny('attribute-failed'), error })
    }
  }

  #foundFor(request: FastifyRequest): Map<AttributeProvider, Outcome> {
    const found = this.#found.get(request) ?? new Map<AttributeProvider, Outcome>()
    this.#found.set(request, found)
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
