import type { FastifyInstance } from 'fastify'

/** The instance that the application began with. The instances within it inherit from it, by their prototypes. */
export function outermostOf(instance: FastifyInstance): FastifyInstance {
  const parent: unknown = Object.getPrototypeOf(instance)
  return isInstance(parent) ? outermostOf(parent) : instance
}

function isInstance(value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addHook' in value
}
