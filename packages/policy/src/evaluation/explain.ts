import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Call, CallReader } from '../call.ts'
import { type AttributeValue, attributesView } from '../attributes/attributes.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import { type Decision, deny, ruleFailure } from '../decision/decision.ts'
import type { Provisions } from '../attributes/resolver.ts'
import { PolicyError } from '../errors.ts'
import type { CompiledCallers } from '../principals/callers.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleFinder, RuleTable } from '../rules/rule-table.ts'
import type { Step } from '../rules/step.ts'
import type { Explanation, Finding, Question } from './explanation.ts'

/** How an attribute of the request in question is found. `null`: it has no single value; a decision refuses the request. */
export type ReadAttribute = (source: AttributeSource, id: SpiffeId) => Reading | Promise<Reading>

type Reading = AttributeValue | Decision | null

const NO_RULE = deny('no-rule')
const NOT_FOUND = deny('not-found')
const TENANT_MISMATCH = deny('tenant-mismatch')

/**
 * Explains a request that is thought up.
 *
 * @throws {PolicyError} `ambiguous-route`
 */
export async function explainQuestion(routes: RuleTable, question: Question): Promise<Explanation> {
  const { method, route, spiffeId } = question
  const { active } = routes
  const [found, ...others] = routes.find(method, route, active)
  if (others.length > 0) {
    const why = `${method} ${route} is ${others.length + 1} routes, which constraints tell apart`
    throw new PolicyError('ambiguous-route', `${why}: explain a request that has arrived`)
  }
  const rule = found?.rule ?? null
  const id = spiffeId === null ? null : SpiffeId.parse(spiffeId)
  return explain({ rule, id, policyVersion: active.version }, readFrom(question), NO_RULE)
}

/** What a request that has arrived is explained with. */
export interface ExplainContext {
  readonly reader: CallReader
  readonly table: RuleTable
  readonly finder: RuleFinder
  readonly provisions: Provisions
}

/** Explains a request that has arrived. */
export function explainRequest(
  { reader, table, finder, provisions }: ExplainContext,
  call: Call,
): Promise<Explanation> {
  const { active } = table
  const caller = reader.caller(call)
  const rule = finder.ruleOf(call, active)
  const subject = { rule, id: caller?.spiffeId ?? null, policyVersion: active.version }
  const read: ReadAttribute = async (source, id) => {
    if (!source.varies) return source.read(id)
    const refusal =
      source.provider && caller && (await provisions.prepare([source.provider], call, caller))
    return refusal ?? source.read(call)
  }
  return explain(subject, read, reader.route(call) === null ? NOT_FOUND : NO_RULE)
}

/** Who asks for what, and by which rule; `null`: there is none. */
interface Subject {
  readonly rule: CompiledRule | null
  readonly id: SpiffeId | null
  readonly policyVersion: string
}

/**
 * Decides by the rules in force, and tells of every check what came of it. Conditions and engines are asked for real, and
 * nothing is taken from the cache or put there.
 */
async function explain(
  { rule, id, policyVersion }: Subject,
  read: ReadAttribute,
  withoutRule: Decision,
): Promise<Explanation> {
  const { decision, findings } =
    rule === null
      ? { decision: withoutRule, findings: [] }
      : await examine(rule, id, read).catch((error: unknown) => ({
          decision: ruleFailure(error),
          findings: [],
        }))
  return {
    decision: decision.allowed ? 'allow' : 'deny',
    reason: decision.reason,
    policyVersion,
    mode: rule === null || rule.isEnforcedFor(id) ? 'enforce' : 'shadow',
    source: rule?.description.place.toString() ?? null,
    findings,
  }
}

/** Reads what a {@link Question} says. */
function readFrom({ method, attributes = {} }: Question): ReadAttribute {
  const given: Readonly<Record<string, string>> = { ...attributes, method }
  return (source, id) => {
    if (!source.varies) return source.read(id)
    return Object.hasOwn(given, source.name) ? given[source.name] : undefined
  }
}

interface Examined {
  readonly decision: Decision
  readonly findings: readonly Finding[]
}

async function examine(
  rule: CompiledRule,
  id: SpiffeId | null,
  read: ReadAttribute,
): Promise<Examined> {
  const { denied, grant } = rule.description
  const findings = [
    ...(await tenantFindings(rule, id, read)),
    ...listFindings('deny', denied, id),
    ...(typeof grant === 'string' ? [] : listFindings('allow', grant, id)),
  ]
  let decision: Decision = findings.some(
    ({ check, outcome }) => check === 'tenant' && outcome === 'does-not-hold',
  )
    ? TENANT_MISMATCH
    : rule.identify(id)
  for (const [position, step] of rule.steps.entries()) {
    const isAsked = decision.allowed && id !== null
    const outcome = isAsked ? await askStep(step, id, read) : null
    findings.push(stepFinding(rule.steps, position, outcome))
    decision = outcome ?? decision
  }
  return { decision, findings }
}

async function tenantFindings(
  { tenant }: CompiledRule,
  id: SpiffeId | null,
  read: ReadAttribute,
): Promise<Finding[]> {
  if (tenant === null) return []
  const { source, admits } = tenant
  const finding = { check: 'tenant', what: source.name } as const
  if (id === null) return [{ ...finding, outcome: 'not-asked' }]
  const named = await read(source, id)
  if (!isDecision(named) && admits(id, named)) return [{ ...finding, outcome: 'holds' }]
  return [{ ...finding, outcome: 'does-not-hold', reason: 'tenant-mismatch' }]
}

function listFindings(
  list: 'allow' | 'deny',
  callers: CompiledCallers | null,
  id: SpiffeId | null,
): Finding[] {
  return (callers?.entries ?? []).map((entry, position) => ({
    check: `${list}[${position}]`,
    what: entry.toString(),
    outcome: outcomeOf(entry, id),
  }))
}

function outcomeOf(
  entry: CompiledCallers['entries'][number],
  id: SpiffeId | null,
): Finding['outcome'] {
  if (id === null) return 'not-asked'
  const matches = entry instanceof SpiffeId ? entry.equals(id) : entry.matches(id)
  return matches ? 'matches' : 'does-not-match'
}

async function askStep(step: Step, id: SpiffeId, read: ReadAttribute): Promise<Decision> {
  const values: AttributeValue[] = []
  for (const source of step.sources) {
    const value = await read(source, id)
    if (value === null) return source.refusal
    if (isDecision(value)) return value
    values.push(value)
  }
  return step.ask(id, attributesView(step.sources, values))
}

function isDecision(reading: Reading): reading is Decision {
  return typeof reading === 'object' && reading !== null && 'allowed' in reading
}

function stepFinding(steps: readonly Step[], position: number, outcome: Decision | null): Finding {
  const step = steps[position]!
  const isEngine = step.engine !== null
  const before = steps.slice(0, position).filter(({ engine }) => (engine !== null) === isEngine)
  const check = `${isEngine ? 'engines' : 'where'}[${before.length}]`
  const what = step.engine ?? step.sources.map(({ name }) => name).join(', ')
  if (outcome === null) return { check, what, outcome: 'not-asked' }
  if (outcome.allowed) return { check, what, outcome: 'holds' }
  return { check, what, outcome: 'does-not-hold', reason: outcome.reason }
}
