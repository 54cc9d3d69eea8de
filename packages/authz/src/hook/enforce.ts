import { logOnce } from '@fastify-spiffe/plugin-kit'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { AuthzError, type RefusalStatus } from '../errors.ts'
import {
  type Decision,
  type Enforcement,
  isFault,
  publishDecision,
  type Refusal,
  refusalKindOf,
} from '@fastify-spiffe/policy/internal'
import type { RequestReader } from '../call/reader.ts'

/** A request at the gate. */
export interface Passage {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: HookHandlerDoneFunction
}

/** What a response says, by the options of the plugin. */
export interface ResponseOptions {
  readonly reader: RequestReader
  /** Tells the caller of a decision that an engine failed to make anew; `null`: nothing does. */
  readonly lastDecisionHeader: string | null
  /** What a caller gets who asks for the data of another tenant. */
  readonly mismatchStatus: 403 | 404
}

const LAST_DECISION = 'request decided by what an engine that fails has said before'

const STATUS = {
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'too-many-requests': 429,
} as const

/** Lets the request pass, or hands the refusal to the application's error handler. Tells the log why, and not the caller. */
export function enforce(
  { request, reply, done }: Passage,
  decision: Decision,
  enforcement: Enforcement,
  { reader, lastDecisionHeader, mismatchStatus }: ResponseOptions,
): void {
  publishDecision(reader, request, decision, enforcement)
  if (decision.reason === 'last-decision') {
    request.log.warn({ engine: decision.engine, route: reader.route(request) }, LAST_DECISION)
    if (lastDecisionHeader !== null) reply.header(lastDecisionHeader, decision.engine)
  }
  if (decision.allowed) {
    done()
    return
  }
  const kind = refusalKindOf(decision, reader.caller(request))
  const statusCode = kind === 'tenant-mismatch' ? mismatchStatus : STATUS[kind]
  log(request, decision, enforcement, { route: reader.route(request), statusCode })
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
  refusal: Refusal,
  { policyVersion, isShadow }: Enforcement,
  { route, statusCode }: { readonly route: string | null; readonly statusCode: RefusalStatus },
): void {
  const { reason, engine, detail, error } = refusal
  // Who called is on every line of `request.log` already.
  const fields = {
    reason,
    statusCode,
    route,
    policyVersion,
    ...(engine !== undefined && { engine }),
    ...(detail !== undefined && { detail }),
    ...(error !== undefined && { err: error }),
  }
  if (isShadow) request.log.warn(fields, 'request let in although its rule refuses: shadow mode')
  else if (isFault(refusal)) request.log.warn(fields, 'request refused: no decision')
  else request.log.info(fields, 'request refused')
}
