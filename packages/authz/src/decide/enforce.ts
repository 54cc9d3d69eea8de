import { logOnce } from '@fastify-spiffe/peer/internal'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { AuthzError, type RefusalStatus } from '../errors.ts'
import { decisionChannel, type DecisionEvent } from '../events.ts'
import type { Decision, Refusal } from './decision.ts'
import { callerOf, routeOf } from './facts.ts'

/** A request at the gate. */
export interface Passage {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: HookHandlerDoneFunction
}

/** Under what a decision was made. */
export interface Enforcement {
  readonly policyVersion: string
  /** The route only tells what its rule would do. */
  readonly isShadow: boolean
  /** Tells the caller of a decision that an engine failed to make anew; `null`: nothing does. */
  readonly lastDecisionHeader: string | null
  /** What a caller gets who asks for the data of another tenant. */
  readonly mismatchStatus: 403 | 404
}

/** Refusals that point to a fault of the service rather than of the caller. */
const FAULTS: ReadonlySet<Decision['reason']> = new Set([
  'no-rule',
  'attribute-failed',
  'attribute-timeout',
  'condition-not-boolean',
  'condition-failed',
  'condition-timeout',
  'engine-not-boolean',
  'engine-failed',
  'engine-timeout',
  'engine-unavailable',
  'engine-busy',
  'decision-outdated',
  'rule-failed',
] as const)

const LAST_DECISION = 'request decided by what an engine that fails has said before'

/** Lets the request pass, or hands the refusal to the application's error handler. Tells the log why, and not the caller. */
export function enforce(
  { request, reply, done }: Passage,
  decision: Decision,
  enforcement: Enforcement,
): void {
  if (decisionChannel.hasSubscribers) {
    decisionChannel.publish(eventOf(request, decision, enforcement))
  }
  if (decision.reason === 'last-decision') {
    request.log.warn({ engine: decision.engine, route: routeOf(request) }, LAST_DECISION)
    const { lastDecisionHeader } = enforcement
    if (lastDecisionHeader !== null) reply.header(lastDecisionHeader, decision.engine)
  }
  if (decision.allowed) {
    done()
    return
  }
  const statusCode = statusOf(request, decision, enforcement)
  log(request, decision, enforcement, statusCode)
  if (enforcement.isShadow) {
    done()
    return
  }
  const error = AuthzError.refusal(statusCode)
  logOnce(reply, error)
  done(error)
}

function log(
  request: FastifyRequest,
  { reason, engine, detail, error }: Refusal,
  { policyVersion, isShadow }: Enforcement,
  statusCode: RefusalStatus,
): void {
  // Who called is on every line of `request.log` already.
  const fields = {
    reason,
    statusCode,
    route: routeOf(request),
    policyVersion,
    ...(engine !== undefined && { engine }),
    ...(detail !== undefined && { detail }),
    ...(error !== undefined && { err: error }),
  }
  if (isShadow) request.log.warn(fields, 'request let in although its rule refuses: shadow mode')
  else if (FAULTS.has(reason)) request.log.warn(fields, 'request refused: no decision')
  else request.log.info(fields, 'request refused')
}

const UNAUTHENTICATED: ReadonlySet<Refusal['reason']> = new Set([
  'identity-expired',
  'attribute-refused',
] as const)

/** 401 asks for an identity, 403 says that the one presented does not do. */
function statusOf(
  request: FastifyRequest,
  { reason }: Refusal,
  { mismatchStatus }: Enforcement,
): RefusalStatus {
  if (reason === 'not-found') return 404
  if (reason === 'tenant-mismatch') return mismatchStatus
  if (reason === 'tenant-quota') return 429
  return (request.spiffeId ?? null) === null || UNAUTHENTICATED.has(reason) ? 401 : 403
}

function eventOf(
  request: FastifyRequest,
  decision: Decision,
  { policyVersion, isShadow }: Enforcement,
): DecisionEvent {
  const { allowed, reason, cached, engine } = decision
  const detail = allowed ? undefined : decision.detail
  return Object.freeze({
    decision: allowed ? 'allow' : 'deny',
    reason,
    cached,
    engine: engine ?? null,
    ...(detail !== undefined && { detail }),
    mode: isShadow ? 'shadow' : 'enforce',
    policyVersion,
    method: request.method,
    route: routeOf(request),
    spiffeId: callerOf(request),
  })
}
