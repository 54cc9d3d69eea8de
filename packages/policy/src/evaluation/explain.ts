import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeResolver } from '../attributes/resolver.ts'
import type { Call, CallChain, Caller, CallReader } from '../call.ts'
import { type Decision, ruleFailure } from '../decision/decision.ts'
import { readStatedCall, type StatedCall } from '../document/stated-call.ts'
import { PolicyError } from '../errors.ts'
import { RuleLocation } from '../location.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleFinder, RuleTable } from '../rules/rule-table.ts'
import { Evaluator } from './evaluator.ts'
import type { ExplainedChain, ExplainRequest, Explanation } from './explanation.ts'
import { Findings } from './findings.ts'
import { hypothetical, inspecting } from './methods.ts'
import { thinkUp } from './think-up.ts'

/** Where what an application states is. */
const STATED = RuleLocation.ofDocument('explain', 'request')

const imagination = new Evaluator(hypothetical)

/**
 * Explains a call that is thought up.
 *
 * @throws {PolicyError} `ambiguous-route`, `invalid-rule` for what no call can be, such as one with a chain where calls carry none
 */
export async function explainRequest(
  table: RuleTable,
  about: ExplainRequest,
): Promise<Explanation> {
  const { method, route, spiffeId } = about
  const { active } = table
  const [found, ...others] = table.find(method, route, active)
  if (others.length > 0) {
    const why = `${method} ${route} is ${others.length + 1} routes, which only constraints separate`
    throw new PolicyError('ambiguous-route', `${why}: explain a request that has arrived`)
  }
  const id = spiffeId === null ? null : SpiffeId.parse(spiffeId)
  const call = thinkUp(id, readAbout(table, about), method)
  const subject = { caller: call.caller, rule: found?.rule ?? null, policyVersion: active.version }
  return explain(subject, imagination, call)
}

function readAbout(table: RuleTable, about: ExplainRequest): StatedCall {
  const members = new Map(Object.entries(about).filter(([, value]) => value !== undefined))
  const stated = readStatedCall(STATED, '', members, about.spiffeId !== null)
  if (stated.chain === undefined || table.hasChains) return stated
  return STATED.refuse('chain', about.chain, 'needs calls that carry a chain')
}

/** What a call that has arrived is explained with. */
export interface ExplainContext {
  readonly reader: CallReader
  readonly table: RuleTable
  readonly finder: RuleFinder
  readonly resolver: AttributeResolver
}

/** Explains a call that has arrived. */
export function explainCall(
  { reader, table, finder, resolver }: ExplainContext,
  call: Call,
): Promise<Explanation> {
  const { active } = table
  const rule = finder.ruleOf(call, active)
  const evaluator = new Evaluator(inspecting(reader, resolver))
  const subject = { caller: reader.caller(call), rule, policyVersion: active.version }
  return explain(subject, evaluator, call)
}

/** Who asks for what, and by which rule; `null`: there is none. */
interface Subject {
  readonly caller: Caller | null
  readonly rule: CompiledRule | null
  readonly policyVersion: string
}

/**
 * Decides by the active rules, and reports the outcome of every check. Conditions and engines are
 * called, and the cache is neither read nor filled.
 */
async function explain<C extends Call>(
  { caller, rule, policyVersion }: Subject,
  evaluator: Evaluator<C>,
  call: C,
): Promise<Explanation> {
  const id = idOf(caller)
  const chain = evaluator.chainOf(call)
  const findings = rule && new Findings(rule, id, chain)
  const decision = await observed(evaluator.decide(call, caller, rule, findings), findings)
  return {
    decision: decision.allowed ? 'allow' : 'deny',
    reason: decision.reason,
    policyVersion,
    mode: rule === null || rule.isEnforcedFor(id, chain) ? 'enforce' : 'shadow',
    chain: explainedChain(chain),
    source: rule?.description.place.toString() ?? null,
    findings: decision.reason === 'rule-failed' ? [] : (findings?.list() ?? []),
  }
}

function explainedChain(chain: CallChain | null): ExplainedChain | null {
  if (chain === null) return null
  const { origin, via, evidence } = chain
  return { origin: origin.toString(), via: via.map(String), evidence }
}

function idOf(caller: Caller | null): SpiffeId | null {
  return caller === null ? null : caller.spiffeId
}

/** A matcher that throws when it is looked at fails the rule, as it may when it decides. */
async function observed(
  pending: Decision | Promise<Decision>,
  findings: Findings | null,
): Promise<Decision> {
  const decision = await pending
  try {
    findings?.list()
    return decision
  } catch (error) {
    return ruleFailure(error)
  }
}
