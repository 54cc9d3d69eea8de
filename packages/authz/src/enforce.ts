import type { FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Decision } from './decision.ts'
import { AuthzError, type RefusalStatus } from './errors.ts'
import { decisionChannel, type DecisionEvent } from './events.ts'

/** Refusals that point to a fault of the service rather than of the caller. */
const FAULTS: ReadonlySet<Decision['reason']> = new Set([
  'no-rule',
  'condition-not-boolean',
  'condition-failed',
  'condition-timeout',
  'engine-not-boolean',
  'engine-failed',
  'engine-timeout',
  'decision-outdated',
  'rule-failed',
] as const)

/** Lets the request pass, or hands the refusal to the application's error handler. Tells the log why, and not the caller. */
export function enforce(
  request: FastifyRequest,
  decision: Decision,
  policyVersion: string,
  done: HookHandlerDoneFunction,
): void {
  if (decisionChannel.hasSubscribers)
    decisionChannel.publish(eventOf(request, decision, policyVersion))
  if (decision.allowed) {
    done()
    return
  }
  const { reason, engine, error } = decision
  // Who called is on every line of `request.log` already.
  const fields = {
    reason,
    route: routeOf(request),
    policyVersion,
    ...(engine !== undefined && { engine }),
    ...(error !== undefined && { err: error }),
  }
  if (FAULTS.has(reason)) request.log.warn(fields, 'request refused: no decision')
  else request.log.info(fields, 'request refused')
  done(AuthzError.refusal(statusOf(request, decision)))
}

/** 401 asks for an identity, 403 says that the one presented does not do. */
function statusOf(request: FastifyRequest, { reason }: Decision): RefusalStatus {
  if (reason === 'not-found') return 404
  return (request.spiffeId ?? null) === null || reason === 'identity-expired' ? 401 : 403
}

function eventOf(
  request: FastifyRequest,
  decision: Decision,
  policyVersion: string,
): DecisionEvent {
  return Object.freeze({
    decision: decision.allowed ? 'allow' : 'deny',
    reason: decision.reason,
    cached: decision.cached,
    engine: decision.engine ?? null,
    method: request.method,
    policyVersion,
    route: routeOf(request),
    spiffeId: callerOf(request),
  })
}

function routeOf(request: FastifyRequest): string | null {
  return request.is404 ? null : (request.routeOptions.url ?? null)
}

function callerOf(request: FastifyRequest): string | null {
  return request.spiffeId?.toString() ?? null
}
