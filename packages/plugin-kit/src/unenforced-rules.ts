import type { FastifyInstance, RouteOptions } from 'fastify'

/**
 * The property of a server that counts how many times `@fastify-spiffe/authz` is registered in its
 * application. A registered symbol, so that several copies of the packages in one process share it.
 */
export const AUTHZ_REGISTRATIONS: unique symbol = Symbol.for('@fastify-spiffe/authz.registrations')

/**
 * Makes `ready()` fail when routes have a rule (`config.spiffe`) and nothing enforces it. Where `authz`
 * is registered anywhere in the application, it checks its rules itself, and this does nothing.
 *
 * @param instances those whose routes are watched, from now on, with those of the instances within
 * @param errorOf makes the error from the list of the routes, each on a line of its own
 */
export function refuseUnenforcedRules(
  instances: Iterable<FastifyInstance>,
  errorOf: (routes: string) => Error,
): void {
  // A later hook may give a route a rule, or take it away.
  const routes: { readonly route: RouteOptions; readonly hadRule: boolean }[] = []
  for (const instance of instances) {
    instance.addHook('onRoute', (route) => void routes.push({ route, hadRule: hasRule(route) }))
    instance.addHook('onReady', async () => {
      const ruled = routes
        .splice(0)
        .flatMap(({ route, hadRule }) => (hadRule || hasRule(route) ? [route] : []))
      if (ruled.length > 0 && !(AUTHZ_REGISTRATIONS in instance.server))
        throw errorOf(listOf(ruled))
    })
  }
}

function hasRule({ config }: RouteOptions): boolean {
  return typeof config === 'object' && config !== null && 'spiffe' in config
}

function listOf(routes: readonly RouteOptions[]): string {
  return routes
    .filter((route) => route.method !== 'HEAD' || !routes.some((other) => isGetOf(route, other)))
    .map(({ method, url }) => `\n  ${[method].flat().join(', ')} ${url}`)
    .join('')
}

/** Whether `other` is the GET route for which Fastify has added the HEAD route of this URL. */
function isGetOf({ url }: RouteOptions, other: RouteOptions): boolean {
  return other.url === url && [other.method].flat().includes('GET')
}
