import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { SvidPluginError } from '../errors.ts'

/** How many times `@fastify-spiffe/authz` was registered in the application stands on its server. */
const AUTHZ_REGISTRATIONS = Symbol.for('@fastify-spiffe/authz.registrations')

const servers = new WeakSet<object>()

/**
 * Makes the application of a server refuse to become ready with a rule (`config.spiffe`) that nothing enforces, whichever
 * plugins are registered, and wherever. Where `authz` is registered anywhere, that is its own business.
 */
export const refuseUnenforcedRules = (server: object): void => void servers.add(server)

// Fastify's documented way to an application before its first route: its hooks are inherited by all instances within.
subscribe('fastify.initialization', (message) => {
  if (isInitialization(message) && servers.has(message.fastify.server)) watch(message.fastify)
})

const isInitialization = (message: unknown): message is { readonly fastify: FastifyInstance } =>
  typeof message === 'object' && message !== null && 'fastify' in message

const watch = (fastify: FastifyInstance): void => {
  // A later hook may give a route a rule, or take it away.
  const routes: { readonly route: RouteOptions; readonly hadRule: boolean }[] = []
  fastify.addHook('onRoute', (route) => void routes.push({ route, hadRule: hasRule(route) }))
  fastify.addHook('onReady', async () => {
    const ruled = routes
      .splice(0)
      .flatMap(({ route, hadRule }) => (hadRule || hasRule(route) ? [route] : []))
    if (ruled.length > 0 && !(AUTHZ_REGISTRATIONS in fastify.server)) throw unenforced(ruled)
  })
}

const hasRule = ({ config }: { readonly config?: unknown }): boolean =>
  typeof config === 'object' && config !== null && 'spiffe' in config

const unenforced = (routes: readonly RouteOptions[]): SvidPluginError => {
  const list = routes
    .filter((route) => route.method !== 'HEAD' || !routes.some((other) => isGetOf(route, other)))
    .map(({ method, url }) => `\n  ${[method].flat().join(', ')} ${url}`)
  const message =
    'routes with a rule (`config.spiffe`) that nothing enforces: register @fastify-spiffe/peer and ' +
    `@fastify-spiffe/authz on the outermost instance, before them:${list.join('')}`
  return new SvidPluginError('unenforced-rules', message)
}

/** Fastify adds a HEAD route to it. */
const isGetOf = ({ url }: RouteOptions, other: RouteOptions): boolean =>
  other.url === url && [other.method].flat().includes('GET')
