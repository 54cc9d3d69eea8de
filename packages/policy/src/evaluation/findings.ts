import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { CallChain } from '../call.ts'
import type { Decision, Refusal } from '../decision/decision.ts'
import type { CompiledBehalf } from '../principals/behalf.ts'
import type { CompiledCallers } from '../principals/callers.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { Requirement } from '../rules/requirement.ts'
import type { EvaluationObserver } from './evaluator.ts'
import type { Finding } from './explanation.ts'

/** Observes one evaluation of a rule, and tells what came of everything that the rule asks for. */
export class Findings implements EvaluationObserver {
  readonly #rule: CompiledRule
  readonly #id: SpiffeId | null
  readonly #chain: CallChain | null
  #isOwnTenant: boolean | null = null
  #behalf: Refusal | null | undefined
  readonly #decisions: Decision[] = []

  constructor(rule: CompiledRule, id: SpiffeId | null, chain: CallChain | null) {
    this.#rule = rule
    this.#id = id
    this.#chain = chain
  }

  onTenant(isOwn: boolean): void {
    this.#isOwnTenant = isOwn
  }

  onBehalf(refusal: Refusal | null): void {
    this.#behalf = refusal
  }

  onRequirement(position: number, decision: Decision): void {
    this.#decisions[position] = decision
  }

  /** In the order in which the rule is evaluated. */
  list(): readonly Finding[] {
    const { description, requirements } = this.#rule
    const { denied, grant } = description
    return [
      ...this.#ofTenant(),
      // `deny` holds for the caller and for each workload of its chain.
      ...listFindings('deny', denied, seatsOf(this.#id, this.#chain)),
      ...(typeof grant === 'string' ? [] : listFindings('allow', grant, seatsOf(this.#id, null))),
      ...this.#ofBehalf(),
      ...requirements.map((requirement, position) => {
        const place = placeOf(requirements, position)
        return requirementFinding(place, requirement, this.#decisions[position])
      }),
    ]
  }

  #ofBehalf(): readonly Finding[] {
    const { behalf } = this.#rule.description
    if (behalf === null) return []
    const finding = { check: 'onBehalfOf', what: behalfText(behalf) } as const
    if (this.#behalf === undefined) return [{ ...finding, outcome: 'not-asked' }]
    if (this.#behalf === null) return [{ ...finding, outcome: 'holds' }]
    return [{ ...finding, outcome: 'does-not-hold', reason: this.#behalf.reason }]
  }

  #ofTenant(): readonly Finding[] {
    const { tenant } = this.#rule
    if (tenant === null) return []
    const finding = { check: 'tenant', what: tenant.source.name } as const
    if (this.#isOwnTenant === null) return [{ ...finding, outcome: 'not-asked' }]
    if (this.#isOwnTenant) return [{ ...finding, outcome: 'holds' }]
    return [{ ...finding, outcome: 'does-not-hold', reason: 'tenant-mismatch' }]
  }
}

function behalfText({ origins, via, evidence }: CompiledBehalf): string {
  if (origins === 'itself') return origins
  const between = via.entries.length === 0 ? '' : ` via ${via.entries.join(', ')}`
  return `${origins.entries.join(', ')}${between} (${evidence})`
}

/** The caller, and those on whose behalf it calls. */
function seatsOf(id: SpiffeId | null, chain: CallChain | null): readonly SpiffeId[] {
  const others = chain === null ? [] : [chain.origin, ...chain.via]
  return id === null ? others : [id, ...others]
}

function listFindings(
  list: 'allow' | 'deny',
  callers: CompiledCallers | null,
  seats: readonly SpiffeId[],
): Finding[] {
  return (callers?.entries ?? []).map((entry, position) => ({
    check: `${list}[${position}]`,
    what: entry.toString(),
    outcome: outcomeOf(entry, seats),
  }))
}

function outcomeOf(
  entry: CompiledCallers['entries'][number],
  seats: readonly SpiffeId[],
): Finding['outcome'] {
  if (seats.length === 0) return 'not-asked'
  const matches = seats.some((id) =>
    entry instanceof SpiffeId ? entry.equals(id) : entry.matches(id),
  )
  return matches ? 'matches' : 'does-not-match'
}

/** `proof`, `subjectAltName`, `where[0]`, `engines[1]`, in this order. */
function placeOf(requirements: readonly Requirement[], position: number): string {
  const requirement = requirements[position]!
  if (requirement.key !== undefined) return requirement.key
  const list = listOf(requirement)
  const before = requirements.slice(0, position).filter((other) => listOf(other) === list)
  return `${list}[${before.length}]`
}

function listOf({ engine, key }: Requirement): string {
  return key ?? (engine === null ? 'where' : 'engines')
}

function requirementFinding(
  check: string,
  { engine, key, text, sources }: Requirement,
  decision: Decision | undefined,
): Finding {
  const read = engine ?? sources.map(({ name }) => name).join(', ')
  const what = key === undefined ? read : (text ?? read)
  if (decision === undefined) return { check, what, outcome: 'not-asked' }
  if (decision.allowed) return { check, what, outcome: 'holds' }
  return { check, what, outcome: 'does-not-hold', reason: decision.reason }
}
