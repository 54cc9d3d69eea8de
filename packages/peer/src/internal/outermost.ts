import type { FastifyInstance } from 'fastify'

/** The instance that the application began with. Those within inherit from it, by their prototypes. */
export function outermostOf(instance: FastifyInstance): FastifyInstance {
  const around: unknown = Object.getPrototypeOf(instance)
  return isInstance(around) ? outermostOf(around) : instance
}

function isInstance(value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addHook' in value
}
