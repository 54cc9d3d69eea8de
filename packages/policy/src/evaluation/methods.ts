import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeResolver } from '../attributes/resolver.ts'
import { type AttributeSource, readFromCall } from '../attributes/sources.ts'
import type { Caller, CallReader } from '../call.ts'
import { allow } from '../decision/decision.ts'
import { chainOf, type HypotheticalCall } from '../hypothetical-call.ts'
import type { EvaluationMethod } from './evaluator.ts'

/** Enforces: each requirement is decided through the cache and the quota that its rule was compiled with. */
export function enforcing(reader: CallReader): EvaluationMethod {
  return {
    isUnmatched: (call) => reader.route(call) === null,
    chain: (call) => chainOf(reader, call),
    read: readFromCall,
    decide: null,
  }
}

/** Looks into a call: nothing is taken from the cache or put there. */
export function inspecting(reader: CallReader, resolver: AttributeResolver): EvaluationMethod {
  return {
    ...enforcing(reader),
    decide: async ({ providers, ask }, call, caller) =>
      (await resolver.resolve(providers, call, caller)) ?? ask(call, caller, readFromCall),
  }
}

/** Thinks through a call that is thought up. Conditions and engines are asked for real. */
export const hypothetical: EvaluationMethod<HypotheticalCall> & {
  readonly decide: AskRequirement
} = {
  isUnmatched: () => false,
  chain: ({ chain }) => chain,
  read: readGiven,
  decide: ({ ask }, call, caller) => ask(call, caller, (source) => readGiven(source, call, caller)),
}

type AskRequirement = NonNullable<EvaluationMethod<HypotheticalCall>['decide']>

const ASSUMED = allow('allowed')

/** The same where engines are not asked: they are assumed to allow. */
export const hypotheticalWithoutEngines: EvaluationMethod<HypotheticalCall> = {
  ...hypothetical,
  decide: (requirement, call, caller) =>
    requirement.engine === null ? hypothetical.decide(requirement, call, caller) : ASSUMED,
}

function readGiven(
  source: AttributeSource,
  call: HypotheticalCall,
  caller: Caller,
): AttributeValue | null {
  const { attributes } = call
  if (!isOfRequest(source)) return source.read(call, caller.spiffeId)
  return Object.hasOwn(attributes, source.name) ? attributes[source.name] : undefined
}

/** Whether an attribute is that of the request: it does not follow from the route, from the caller or from its chain. */
export function isOfRequest({ varies, ofCaller, ofChain }: AttributeSource): boolean {
  return varies && ofCaller === undefined && ofChain === undefined
}
