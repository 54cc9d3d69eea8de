import type { FastifyBaseLogger, FastifyReply } from 'fastify'

/**
 * Makes the line that a plugin writes about a refusal the only one: Fastify's default error handler would log the error
 * as well, which says less. What else is logged, by error handlers of the application too, is not touched.
 */
export function logOnce(reply: FastifyReply, error: Error): void {
  reply.log = new Proxy(reply.log, {
    get(log: FastifyBaseLogger, name) {
      const value: unknown = Reflect.get(log, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (name === 'info' && isDefaultLine(args[0], reply, error)) return undefined
        // Not on the proxy: loggers may have private fields.
        return Reflect.apply(value, log, args)
      }
    },
  })
}

/** `{ res: reply, err: error }` */
function isDefaultLine(fields: unknown, reply: FastifyReply, error: Error): boolean {
  if (typeof fields !== 'object' || fields === null) return false
  return 'res' in fields && fields.res === reply && 'err' in fields && fields.err === error
}

/** A refusal is no fault: its stack would say where this package refuses. */
export function withoutStack<Refusal extends Error>(error: Refusal): Refusal {
  const value = `${error.name}: ${error.message}`
  return Object.defineProperty(error, 'stack', { value, configurable: true, writable: true })
}
