import { bearerChallengeOf, logOnce } from '@fastify-spiffe/plugin-kit'
import type { Outcome, RefusalKind } from '@fastify-spiffe/policy'
import { isFault, type Refusal } from '@fastify-spiffe/policy/internal'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { RequestReader } from '../call/reader.ts'
import { AuthzError, type RefusalStatus } from '../errors.ts'

/** A request, its response, and how the request goes on. */
export interface HookContext {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: HookHandlerDoneFunction
}

/** What a response says, by the options of the plugin. */
export interface ResponseOptions {
  readonly reader: RequestReader
  /** The header that names an engine which failed to decide again; `null`: none. */
  readonly staleHeader: string | null
  /** The answer for a caller that asks for the data of another tenant. */
  readonly mismatchStatus: 403 | 404
}

const STALE_DECISION = 'request decided by what an engine that fails has said before'

const STATUS = {
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'too-many-requests': 429,
} as const

/** Whether nothing is to be done but to let the request pass, as for most. */
export function isPlainAdmission({ decision: { allowed, reason } }: Outcome): boolean {
  return allowed && reason !== 'stale'
}

/** Lets the request pass, or hands the refusal to the application's error handler. Tells the log why, and not the caller. */
export function enforce(context: HookContext, outcome: Outcome, options: ResponseOptions): void {
  const { decision } = outcome
  if (decision.reason === 'stale') logStale(context, decision.engine, options)
  if (!decision.allowed) logRefusal(context.request, decision, outcome, options)
  if (outcome.isAdmitted) {
    context.done()
    return
  }
  const error = AuthzError.refusal(statusOf(outcome.kind, options))
  if (error.statusCode === 401) challenge(context)
  logOnce(context.reply, error)
  context.done(error)
}

/** A caller that has proven nothing is told that a token would help (RFC 6750 §3), where that is so. */
function challenge({ request, reply }: HookContext): void {
  const value = bearerChallengeOf(request.server.server)
  if (value !== null && !reply.hasHeader('www-authenticate'))
    reply.header('www-authenticate', value)
}

/** An engine failed, and what it has said before was used. */
function logStale(
  { request, reply }: HookContext,
  engine: string | undefined,
  { reader, staleHeader }: ResponseOptions,
): void {
  request.log.warn({ engine, route: reader.route(request) }, STALE_DECISION)
  if (staleHeader !== null) reply.header(staleHeader, engine)
}

function statusOf(kind: RefusalKind, { mismatchStatus }: ResponseOptions): RefusalStatus {
  return kind === 'tenant-mismatch' ? mismatchStatus : STATUS[kind]
}

function logRefusal(
  request: FastifyRequest,
  refusal: Refusal,
  { kind, policyVersion, isShadow }: Outcome,
  options: ResponseOptions,
): void {
  const { reason, engine, detail, error } = refusal
  // Who called is on every line of `request.log` already.
  const fields = {
    reason,
    statusCode: kind && statusOf(kind, options),
    route: options.reader.route(request),
    policyVersion,
    ...(engine !== undefined && { engine }),
    ...(detail !== undefined && { detail }),
    ...(error !== undefined && { err: error }),
  }
  if (isShadow) request.log.warn(fields, 'request let in although its rule refuses: shadow mode')
  else if (isFault(refusal)) request.log.warn(fields, 'request refused: no decision')
  else request.log.info(fields, 'request refused')
}
