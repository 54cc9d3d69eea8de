import { setImmediate } from 'node:timers/promises'
import { evaluationFault, sampleRequest, invalidAnswer } from '@fastify-spiffe/policy/engine-kit'
import { type Cedar, messages, type ParsedPolicy, parsePolicies, policySet } from './parse.ts'
import { type CedarQuery, cedarQueryOf, type CedarUid } from './request.ts'
import type { PreparedPolicyPool } from './prepared-policy-pool.ts'
import type { CedarSource } from './source.ts'

/** A policy or a request that Cedar could not evaluate. The request is refused. */
export interface CedarError {
  /** The policy; `null` when it is the request that is wrong. */
  readonly policy: string | null
  readonly message: string
}

export interface CedarParts {
  readonly cedar: typeof Cedar
  readonly slots: PreparedPolicyPool
  readonly engine: string
}

/**
 * Prepared policies. What Cedar takes grows with the number of policies that it looks at, so there is a set for each action
 * that policies name by `action ==`, of these and of all that name none, and one of the latter for any other action.
 * No other policy could apply, so the decision is that of the whole.
 */
export class CedarPolicies {
  readonly #parts: CedarParts
  readonly #schema: string | null
  readonly #byAction: ReadonlyMap<string, string>
  readonly #others: string
  readonly #taken: readonly string[]

  private constructor(parts: CedarParts, taken: readonly string[], prepared: Prepared) {
    this.#parts = parts
    this.#taken = taken
    this.#schema = prepared.schema
    this.#byAction = prepared.byAction
    this.#others = prepared.others
  }

  /** @throws whatever is wrong with them */
  static async prepare(source: CedarSource, parts: CedarParts): Promise<CedarPolicies> {
    const taken: string[] = []
    const take = (): string => {
      const slot = parts.slots.take()
      taken.push(slot)
      return slot
    }
    try {
      const prepared = await prepare(source, parts.cedar, take)
      const policies = new CedarPolicies(parts, taken, prepared)
      policies.query(cedarQueryOf(sampleRequest, {}), () => undefined)
      return policies
    } catch (error) {
      for (const slot of taken) parts.slots.release(slot)
      throw error
    }
  }

  /**
   * `true` when a policy permits it, none forbids it, and none fails: a policy that fails does not
   * count to Cedar, and may have been the one that forbids. All that goes wrong because of the
   * request refuses it and is passed to `onError`.
   *
   * @throws {PolicyError} `invalid-answer` when Cedar itself fails
   */
  query(query: CedarQuery, onError: (error: CedarError) => void): boolean {
    const answer = this.#evaluate(query)
    if (answer.type === 'failure') {
      return refuse(onError, [{ policy: null, message: messages(answer.errors) }])
    }
    if (answer.type !== 'success') throw invalidAnswer(this.#parts.engine, 'no decision', answer)
    const { decision, diagnostics } = answer.response
    if (diagnostics.errors.length === 0) return decision === 'allow'
    const errors = diagnostics.errors.map(({ policyId, error }) => ({
      policy: policyId,
      message: error.message,
    }))
    return refuse(onError, errors)
  }

  /** From now on they refuse every request. */
  dispose(): void {
    for (const slot of this.#taken) this.#parts.slots.release(slot)
  }

  #evaluate(query: CedarQuery): Cedar.AuthorizationAnswer {
    const { cedar, engine } = this.#parts
    const schema = this.#schema
    try {
      return cedar.statefulIsAuthorized({
        ...query,
        preparsedPolicySetId: this.#byAction.get(keyOf(query.action)) ?? this.#others,
        ...(schema !== null && { preparsedSchemaName: schema, validateRequest: true }),
      })
    } catch (cause) {
      throw evaluationFault(engine, cause)
    }
  }
}

interface Prepared {
  readonly schema: string | null
  readonly byAction: ReadonlyMap<string, string>
  readonly others: string
}

async function prepare(
  source: CedarSource,
  cedar: typeof Cedar,
  take: () => string,
): Promise<Prepared> {
  const policies = parsePolicies(cedar, source)
  const schema = source.schema === null ? null : take()
  if (schema !== null) assertParsed(cedar.preparseSchema(schema, source.schema ?? ''))
  const prepareSet = async (set: readonly ParsedPolicy[]): Promise<string> => {
    const slot = take()
    assertParsed(cedar.preparsePolicySet(slot, policySet(set)))
    // Requests are decided in between.
    await setImmediate()
    return slot
  }
  const general = policies.filter(({ action }) => action === null)
  const sets = new Map<string, ParsedPolicy[]>()
  for (const policy of policies) {
    if (policy.action === null) continue
    const key = keyOf(policy.action)
    sets.set(key, [...(sets.get(key) ?? []), policy])
  }
  const byAction = new Map<string, string>()
  for (const [key, own] of sets) byAction.set(key, await prepareSet([...general, ...own]))
  return { schema, byAction, others: await prepareSet(general) }
}

/** No type has a line break. */
function keyOf({ type, id }: CedarUid): string {
  return `${type}\n${id}`
}

function assertParsed(answer: Cedar.CheckParseAnswer): void {
  if (answer.type !== 'success') throw new TypeError(messages(answer.errors))
}

function refuse(onError: (error: CedarError) => void, errors: readonly CedarError[]): false {
  for (const error of errors) onError(Object.freeze(error))
  return false
}
