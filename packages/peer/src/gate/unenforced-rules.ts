import type { FastifyInstance, RouteOptions } from 'fastify'
import { PeerError } from '../errors.ts'

/** How many times `@fastify-spiffe/authz` was registered in the application stands on its server. */
const AUTHZ_REGISTRATIONS = Symbol.for('@fastify-spiffe/authz.registrations')

/**
 * Refuses to become ready with a rule (`config.spiffe`) that nobody reads: this plugin says who calls, and
 * not who may. Where `authz` is registered anywhere, that is its own business.
 *
 * @param instances those that tell of the routes which are declared from now on, and of those within
 */
export const refuseUnenforcedRules = (instances: ReadonlySet<FastifyInstance>): void => {
  // A later hook may give a route a rule, or take it away.
  const routes: { readonly route: RouteOptions; readonly hadRule: boolean }[] = []
  for (const instance of instances) {
    instance.addHook('onRoute', (route) => void routes.push({ route, hadRule: hasRule(route) }))
    instance.addHook('onReady', async () => {
      if (AUTHZ_REGISTRATIONS in instance.server) return
      const ruled = routes.flatMap(({ route, hadRule }) =>
        hadRule || hasRule(route) ? [route] : [],
      )
      if (ruled.length > 0) throw unenforced(ruled)
    })
  }
}

const hasRule = ({ config }: { readonly config?: unknown }): boolean =>
  typeof config === 'object' && config !== null && 'spiffe' in config

const unenforced = (routes: readonly RouteOptions[]): PeerError => {
  const list = routes
    .filter((route) => route.method !== 'HEAD' || !routes.some((other) => isGetOf(route, other)))
    .map(({ method, url }) => `\n  ${[method].flat().join(', ')} ${url}`)
  const message =
    'routes with a rule (`config.spiffe`) that nothing enforces: register @fastify-spiffe/authz after ' +
    `@fastify-spiffe/peer, and before them:${list.join('')}`
  return new PeerError('unenforced-rules', message)
}

/** Fastify adds a HEAD route to it. */
const isGetOf = ({ url }: RouteOptions, other: RouteOptions): boolean =>
  other.url === url && [other.method].flat().includes('GET')
