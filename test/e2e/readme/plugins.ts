import { describe, expect, test } from '@jest/globals'
import type { CallOptions } from '../../support/readme-world.ts'
import type { Running } from './running.ts'

const BATCH = { as: '/acme/batch' }

/** Calls the services with other plugins of Fastify that `docs/recipes/plugins.md` shows. */
export function describePlugins({ portsOf, world }: Running): void {
  const caller = async (heading: string) => {
    const [port] = await portsOf('docs/recipes/plugins.md', heading)
    return (path: string, options?: CallOptions) => world().call(port!, path, options)
  }

  describe('the plugins of Fastify', () => {
    test('@fastify/autoload loads routes with their rules', async () => {
      const call = await caller('`@fastify/autoload`')
      expect((await call('/orders')).body).toBe('hello spiffe://example.org/acme/web')
      expect((await call('/orders', BATCH)).status).toBe(403)
    })

    test('@fastify/cors answers preflights without a certificate, and nothing else', async () => {
      const call = await caller('`@fastify/cors`')
      const origin = 'https://console.example.org'
      const preflight = {
        as: null,
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET' },
      }
      const { status, headers } = await call('/orders', preflight)
      expect([status, headers['access-control-allow-origin']]).toEqual([204, origin])
      expect((await call('/orders', { as: null })).status).toBe(401)
      expect((await call('/orders', BATCH)).status).toBe(403)
      expect((await call('/orders', { headers: { origin } })).status).toBe(200)
    })

    test('@fastify/static serves files by the rule of their prefix', async () => {
      const call = await caller('`@fastify/static`')
      expect((await call('/assets/index.html')).body).toContain('<title>orders</title>')
      expect((await call('/assets/none.html')).status).toBe(404)
      expect((await call('/assets/none.html', BATCH)).status).toBe(403)
    })

    test('@fastify/swagger-ui shows what its prefix lets in', async () => {
      const call = await caller('`@fastify/swagger-ui`')
      const { paths } = JSON.parse((await call('/docs/json')).body) as { paths: object }
      expect(Object.keys(paths)).toContain('/orders')
      expect((await call('/docs/')).body).toContain('swagger-ui')
      for (const path of ['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css']) {
        expect((await call(path, BATCH)).status).toBe(403)
      }
    })

    test('@fastify/rate-limit counts by SPIFFE ID, and whom rules let in', async () => {
      const call = await caller('`@fastify/rate-limit` by SPIFFE ID')
      const statuses: number[] = []
      for (const as of ['/acme/batch', '/acme/batch', '/acme/batch']) {
        statuses.push((await call('/orders', { as })).status)
      }
      for (const as of ['/acme/web', '/acme/web', '/acme/web', '/globex/web']) {
        statuses.push((await call('/orders', { as })).status)
      }
      expect(statuses).toEqual([403, 403, 403, 200, 200, 429, 200])
    })

    test('@fastify/under-pressure has its status route guarded', async () => {
      const call = await caller('`@fastify/under-pressure`')
      expect((await call('/status', BATCH)).body).toBe('{"status":"ok"}')
      expect((await call('/orders')).status).toBe(200)
      expect((await call('/orders', BATCH)).status).toBe(403)
    })

    test('@fastify/websocket opens WebSockets for whom the route names', async () => {
      const [port] = await portsOf('docs/recipes/plugins.md', '`@fastify/websocket`')
      expect(await world().exchange(port!, '/live', '/acme/web', 'who am I?')).toBe(
        'hello spiffe://example.org/acme/web',
      )
      await expect(world().exchange(port!, '/live', '/acme/batch', '')).rejects.toThrow('403')
    })

    test('@fastify/http-proxy calls with its own SVID, and names the caller that it has proven', async () => {
      const call = await caller('`@fastify/http-proxy`')
      const forged = { headers: { 'x-caller': 'spiffe://example.org/acme/root' } }
      const { status, body } = await call('/orders/7', forged)
      expect([status, body]).toEqual([200, 'hello spiffe://example.org/acme/web'])
      expect((await call('/orders/7', BATCH)).status).toBe(403)

      const [port] = await portsOf('docs/recipes/plugins.md', '`@fastify/http-proxy`')
      expect(await world().exchange(port!, '/orders/live', '/acme/web', '')).toBe('hello nobody')
      await expect(world().exchange(port!, '/orders/live', '/acme/batch', '')).rejects.toThrow(
        '403',
      )
    })

    test('@fastify/otel traces requests that are let in and such as are not', async () => {
      const call = await caller('`@fastify/otel`')
      expect((await call('/orders')).status).toBe(200)
      expect((await call('/orders', BATCH)).status).toBe(403)
      interface Span {
        readonly name: string
        readonly attributes: Readonly<Record<string, unknown>>
      }
      const spans = JSON.parse((await call('/spans')).body) as readonly Span[]
      expect(spans.some(({ name }) => name.startsWith('onRequest - spiffeAuthz'))).toBe(true)
      const requests = spans.filter(({ name }) => name === 'request')
      expect(
        requests.map(({ attributes }) => [
          attributes['http.response.status_code'],
          attributes['spiffe.peer.id'],
        ]),
      ).toEqual([
        [200, 'spiffe://example.org/acme/web'],
        [403, 'spiffe://example.org/acme/batch'],
      ])
    })
  })
}
