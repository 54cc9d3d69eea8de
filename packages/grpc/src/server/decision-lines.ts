import { status } from '@grpc/grpc-js'
import type { Outcome, PolicyLog } from '@fastify-spiffe/policy'
import { isFault, type Refusal } from '@fastify-spiffe/policy/internal'
import type { GrpcCall } from '../call/grpc-call.ts'
import { REFUSALS } from './refusal.ts'

/** Writes the log lines of decisions that operators want to see: refusals, and answers of engines that were used again. */
export function logDecision(log: PolicyLog, call: GrpcCall, outcome: Outcome): void {
  const { decision } = outcome
  const who = { spiffeId: call.peer?.spiffeId.toString() ?? null, route: call.path }
  if (!decision.allowed) {
    logRefusal(log, { ...who, ...fieldsOf(decision, outcome) }, decision, outcome.isShadow)
  } else if (decision.reason === 'stale') {
    const fields = { ...who, engine: decision.engine }
    log.warn(fields, 'call decided by what an engine that fails has said before')
  }
}

function logRefusal(log: PolicyLog, fields: object, refusal: Refusal, isShadow: boolean): void {
  if (isShadow) log.warn(fields, 'call let in although its rule refuses: shadow mode')
  else if (isFault(refusal)) log.warn(fields, 'call refused: no decision')
  else log.info(fields, 'call refused')
}

function fieldsOf(refusal: Refusal, { kind, policyVersion }: Outcome): object {
  const { reason, engine, detail, error } = refusal
  return {
    reason,
    status: kind === null ? null : status[REFUSALS[kind].code],
    policyVersion,
    ...(engine !== undefined && { engine }),
    ...(detail !== undefined && { detail }),
    ...(error !== undefined && { err: error }),
  }
}
