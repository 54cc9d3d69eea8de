import type { FastifyRequest } from 'fastify'

/** The URL pattern of the route; `null` for a request that matches none. */
export function routeOf(request: FastifyRequest): string | null {
  return request.is404 ? null : (request.routeOptions.url ?? null)
}

/** Who calls, as text. */
export function callerOf(request: FastifyRequest): string | null {
  return request.spiffeId?.toString() ?? null
}
