import type { FastifyBaseLogger, FastifyReply } from 'fastify'

/**
 * Makes the line that a plugin has written about a refusal the only one: Fastify's default error
 * handler would log `error` once more, and say less. All other lines are written as before, those of
 * the application's own error handlers included.
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

/** Takes the stack off the error of a refused request: it would show only where the plugin refuses. */
export function withoutStack<AnyError extends Error>(error: AnyError): AnyError {
  // An assignment, because to define the property makes V8 format the stack first.
  error.stack = `${error.name}: ${error.message}`
  return error
}
