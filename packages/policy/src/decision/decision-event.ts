import { type Channel, channel } from 'node:diagnostics_channel'
import type { Call, Caller, CallReader } from '../call.ts'
import { chainOf } from '../hypothetical-call.ts'
import type { Decision } from './decision.ts'
import type { Enforcement } from './enforcement.ts'

/** What `spiffe:authz:decision` carries, frozen, once for each request that the gate decides. */
export interface DecisionEvent {
  readonly decision: 'allow' | 'deny'
  readonly reason: Decision['reason']
  /** Which rule was broken, where a provider of attributes says so, such as `jwt-expired`; of `san-missing`, the kind of the name. */
  readonly detail?: string
  /** Whether what decided came from the cache. */
  readonly cached: boolean
  /** The engine that decided; `null` for a rule or a condition. */
  readonly engine: string | null
  readonly method: string
  /** `shadow`: the request was let in whatever the decision. */
  readonly mode: 'enforce' | 'shadow'
  /** The version of the policy document in force. */
  readonly policyVersion: string
  /** The URL pattern of the route; `null` for a request that matches none. */
  readonly route: string | null
  /** The caller, for logs and never for the labels of metrics; `null` for one without identity. */
  readonly spiffeId: string | null
  /** By which proof the caller is known, where that is a token; absent for a certificate. */
  readonly proof?: 'jwt-svid'
  /** On whose behalf the call is made, as {@link spiffeId}; absent where the caller acts for itself. */
  readonly origin?: string
}

/** Subscribers run within the request: they must be quick and must not throw. */
export const decisionChannel: Channel = channel('spiffe:authz:decision')

/** Tells subscribers of a decision. */
export function publishDecision(
  reader: CallReader,
  call: Call,
  decision: Decision,
  { policyVersion, isShadow }: Enforcement,
): void {
  if (!decisionChannel.hasSubscribers) return
  const { allowed, reason, cached, engine } = decision
  const detail = allowed ? undefined : decision.detail
  const caller = reader.caller(call)
  const event: DecisionEvent = {
    decision: allowed ? 'allow' : 'deny',
    reason,
    cached,
    engine: engine ?? null,
    ...(detail !== undefined && { detail }),
    mode: isShadow ? 'shadow' : 'enforce',
    policyVersion,
    method: reader.method(call),
    route: reader.route(call),
    spiffeId: caller?.spiffeId.toString() ?? null,
    ...tokenOf(caller),
    ...originOf(reader, call),
  }
  decisionChannel.publish(Object.freeze(event))
}

/** That the caller is proven by a token, as a field of an event; nothing for a certificate. */
export function tokenOf(caller: Caller | null): { readonly proof?: 'jwt-svid' } {
  return caller?.proof === 'jwt-svid' ? { proof: 'jwt-svid' } : {}
}

/** Who a call is made for, as a field of an event; nothing where the caller acts for itself. */
export function originOf(reader: CallReader, call: Call): { readonly origin?: string } {
  const chain = chainOf(reader, call)
  return chain === null ? {} : { origin: chain.origin.toString() }
}
