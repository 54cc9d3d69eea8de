import type { DecisionPoint } from '@fastify-spiffe/policy'
import type {
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify'
import { enforce, isPlainAdmission, type ResponseOptions } from './enforce.ts'

/** The `onRequest` hook that every request of the instance passes. */
export class AuthorizationHook {
  readonly handler: onRequestHookHandler
  readonly #point: DecisionPoint<FastifyRequest>
  readonly #options: ResponseOptions

  /** @param name - by which the router's printed tree shows the hook */
  constructor(name: string, point: DecisionPoint<FastifyRequest>, options: ResponseOptions) {
    this.#point = point
    this.#options = options
    this.handler = (request, reply, done) =>
      point.decide(request, (outcome) => {
        if (isPlainAdmission(outcome)) done()
        else enforce({ request, reply, done }, outcome, options)
      })
    Object.defineProperty(this.handler, 'name', { value: name })
  }

  /** Refuses a request that no rule can be for. */
  refuse(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    this.#point.refuse(request, (outcome) =>
      enforce({ request, reply, done }, outcome, this.#options),
    )
  }
}
