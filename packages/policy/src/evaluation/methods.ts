import { SubjectAltNames } from '@fastify-spiffe/spiffe'
import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeResolver } from '../attributes/resolver.ts'
import { type AttributeSource, readFromCall } from '../attributes/sources.ts'
import type { Caller, CallReader } from '../call.ts'
import { allow } from '../decision/decision.ts'
import type { StatedAltNames } from '../document/alt-names.ts'
import type { EvaluationMethod } from './evaluator.ts'

/** A call that is thought up, to ask what would become of it. */
export interface HypotheticalCall {
  /** Its attributes, those of providers included. What is not named is absent. */
  readonly attributes: Readonly<Record<string, string>>
}

/** Enforces: each requirement is decided through the cache and the quota that its rule was compiled with. */
export function enforcing(reader: CallReader): EvaluationMethod {
  return {
    isUnmatched: (call) => reader.route(call) === null,
    chain: (call) => reader.chain?.(call) ?? null,
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
  // Whoever is thought up acts for itself.
  chain: () => null,
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
  if (!source.varies) return source.read(call, caller.spiffeId)
  if (source.ofCaller !== undefined) return source.ofCaller(caller)
  return Object.hasOwn(attributes, source.name) ? attributes[source.name] : undefined
}

/** Somebody of whom the SPIFFE ID is given, and names of its certificate beside it. */
export function hypotheticalCaller(
  spiffeId: Caller['spiffeId'] | null,
  { dns = [], ip = [] }: StatedAltNames = {},
): Caller | null {
  if (spiffeId === null) return null
  const subjectAltNames = SubjectAltNames.from({ dns, ip, uri: [spiffeId.toString()] })
  return {
    spiffeId,
    serialNumber: '',
    fingerprint256: '',
    notAfter: Infinity,
    subjectAltNames,
  }
}
