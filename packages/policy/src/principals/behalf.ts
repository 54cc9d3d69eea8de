import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Call, CallChain, CallReader } from '../call.ts'
import { deny, type Refusal } from '../decision/decision.ts'
import { chainOf } from '../hypothetical-call.ts'
import type { RuleLocation } from '../location.ts'
import { compileCallers, type CompiledCallers } from './callers.ts'

/** How good the proof of an origin has to be. `forwarded` takes the word of a proxy as well as signatures. */
export type Evidence = CallChain['evidence']

/** On whose behalf the callers that a rule lets in may call. */
export interface CompiledBehalf {
  /** `itself`: for nobody else. */
  readonly origins: CompiledCallers | 'itself'
  readonly via: CompiledCallers
  readonly evidence: Evidence
}

/** Why a call for this origin is refused; `null`: it is not. Allocates nothing. */
export type CheckBehalf = (caller: SpiffeId, chain: CallChain | null) => Refusal | null

/** The keys of a rule that {@link compileBehalf} reads. */
export const BEHALF_KEYS = ['onBehalfOf', 'via', 'evidence'] as const

const ORIGIN_NOT_ALLOWED = deny('origin-not-allowed')
const VIA_NOT_ALLOWED = deny('via-not-allowed')
const EVIDENCE_NOT_ALLOWED = deny('evidence-not-allowed')

/**
 * Compiles `onBehalfOf`, `via` and `evidence` of a rule. `null`: the rule does not look at who calls are made for.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileBehalf(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
  reader: CallReader,
): CompiledBehalf | null {
  const { root } = place
  const named = BEHALF_KEYS.find((key) => given.has(key))
  if (named === undefined) return null
  const value = given.get('onBehalfOf')
  if (reader.chain === undefined) {
    return place.refuse(
      `${root}.${named}`,
      given.get(named),
      'needs calls that carry a chain: see @fastify-spiffe/chain',
    )
  }
  if (value === 'itself' || !given.has('onBehalfOf')) {
    const other = BEHALF_KEYS.slice(1).find((key) => given.has(key))
    if (other !== undefined)
      place.refuse(`${root}.${other}`, given.get(other), 'needs a list in onBehalfOf')
    return { origins: 'itself', via: compileCallers(place, `${root}.via`, []), evidence: 'signed' }
  }
  const origins = compileCallers(place, `${root}.onBehalfOf`, value)
  if (origins.entries.length === 0) place.refuse(`${root}.onBehalfOf`, value, 'admits nobody')
  const via = given.has('via') ? given.get('via') : []
  return {
    origins,
    via: compileCallers(place, `${root}.via`, via),
    evidence: readEvidence(place, root, given),
  }
}

/**
 * Reads `evidence` among the members of the object at `key`. Default `signed`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function readEvidence(
  place: RuleLocation,
  key: string,
  members: ReadonlyMap<string, unknown>,
): Evidence {
  const evidence = members.has('evidence') ? members.get('evidence') : 'signed'
  if (evidence === 'signed' || evidence === 'forwarded') return evidence
  return place.refuse(`${key}.evidence`, evidence, 'must be signed or forwarded')
}

/** Without a chain the caller is the origin: to leave the chain out gains nothing. */
export function behalfCheckOf({ origins, via, evidence }: CompiledBehalf): CheckBehalf {
  if (origins === 'itself') {
    return (caller, chain) => (isForItself(caller, chain) ? null : ORIGIN_NOT_ALLOWED)
  }
  return (caller, chain) => {
    if (chain === null) return origins.matcher.matches(caller) ? null : ORIGIN_NOT_ALLOWED
    if (chain.evidence !== 'signed' && evidence !== 'forwarded') return EVIDENCE_NOT_ALLOWED
    if (!origins.matcher.matches(chain.origin)) return ORIGIN_NOT_ALLOWED
    return chain.via.every((id) => via.matcher.matches(id)) ? null : VIA_NOT_ALLOWED
  }
}

function isForItself(caller: SpiffeId, chain: CallChain | null): boolean {
  return chain === null || (chain.via.length === 0 && chain.origin.equals(caller))
}

/** Whether a list names anybody in the chain before the caller. */
export function namesInChain({ matcher }: CompiledCallers, chain: CallChain | null): boolean {
  if (chain === null) return false
  return matcher.matches(chain.origin) || chain.via.some((id) => matcher.matches(id))
}

/** Whose tenant a call is about. */
export type TenantSubject = (call: Call, caller: { readonly spiffeId: SpiffeId }) => SpiffeId

/** That of the caller. */
export const callerAsSubject: TenantSubject = (_call, { spiffeId }) => spiffeId

/**
 * That of the origin, for a rule that accepts its evidence: what a proxy says counts only where a rule says so.
 *
 * @param behalf - `null`: the rule does not look at who calls are made for
 */
export function originAsSubject(reader: CallReader, behalf: CompiledBehalf | null): TenantSubject {
  const acceptsForwarded = behalf?.evidence === 'forwarded'
  return (call, { spiffeId }) => {
    const chain = chainOf(reader, call)
    if (chain === null || (chain.evidence !== 'signed' && !acceptsForwarded)) return spiffeId
    return chain.origin
  }
}
