import { authz, type AuthzOptions, type RouteRule } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import Fastify, { type FastifyInstance, type onRequestHookHandler } from 'fastify'

/** A request as the gate sees it: what it reads, and nothing else of Fastify's. */
export type GateRequest = Parameters<onRequestHookHandler>[0]

/** The hook of the plugin, taken out of the application, so that nothing of Fastify's is measured with it. */
export interface Gate {
  readonly app: FastifyInstance
  /** Lets a request pass. Returns whether it was let in at once. */
  readonly pass: (request: GateRequest) => boolean
  /** Requests of a caller for a route, as many as told, each with a parameter of its own. */
  readonly request: (route: string, caller: string | SpiffeId, id?: string) => GateRequest
}

/** An application with these routes, by name: the route of `orders` is `/orders/:id`. */
export async function gateOf(
  rules: Readonly<Record<string, RouteRule>>,
  options: AuthzOptions = {},
): Promise<Gate> {
  const app = Fastify()
  await app.register(peer)
  let hook: onRequestHookHandler | undefined
  const addHook: unknown = Reflect.get(app, 'addHook')
  if (typeof addHook !== 'function') throw new TypeError('an application has hooks')
  Reflect.set(app, 'addHook', (name: string, handler: onRequestHookHandler): unknown => {
    if (name === 'onRequest' && handler.name.startsWith('spiffeAuthz')) hook = handler
    return Reflect.apply(addHook, app, [name, handler])
  })
  await app.register(authz, { tenant: '/{tenant}/{workload}', ...options })
  const configs = new Map<string, unknown>()
  app.addHook('onRoute', ({ method, url, config }) => {
    // As Fastify completes it for requests.
    if (method === 'GET') configs.set(url, { ...config, url, method })
  })
  for (const [name, spiffe] of Object.entries(rules)) {
    app.get(`/${name}/:id`, { config: { spiffe } }, () => 'in')
  }
  await app.ready()
  if (hook === undefined) throw new Error('the plugin has no hook of that name any more')
  const pass = passageOf(app, hook)
  const request = (name: string, caller: string | SpiffeId, id = '7'): GateRequest => {
    const spiffeId = typeof caller === 'string' ? SpiffeId.parse(caller) : caller
    const url = `/${name}/:id`
    return {
      routeOptions: { config: configs.get(url), url },
      spiffeId,
      peer: { spiffeId, notAfter: Number.MAX_SAFE_INTEGER, serialNumber: '7', fingerprint256: '7' },
      method: 'GET',
      is404: false,
      params: { id },
      headers: {},
      query: {},
      log: { info: () => undefined, warn: () => undefined },
    } as unknown as GateRequest
  }
  return { app, pass, request }
}

function passageOf(app: FastifyInstance, hook: onRequestHookHandler): Gate['pass'] {
  let isIn = false
  const done = (error?: Error): void => {
    isIn = error === undefined
  }
  const reply = {} as Parameters<onRequestHookHandler>[1]
  return (request) => {
    isIn = false
    hook.call(app, request, reply, done)
    return isIn
  }
}
