import { describe, expect, test } from '@jest/globals'
import { NodeProcess } from '../../support/process.ts'
import { callPlain } from '../../support/readme-world.ts'
import type { Running } from './running.ts'

/** Calls the services that the recipes show, from outside. */
export function describeRecipes({ fileOf, portsOf, world }: Running): void {
  const statuses = (port: number, path: string, callers: readonly (string | null)[]) =>
    Promise.all(callers.map(async (as) => (await world().call(port, path, { as })).status))

  describe('the recipes', () => {
    test('let probes look without a certificate, and at nothing else', async () => {
      const [port] = await portsOf('docs/recipes/probes.md')
      expect((await world().call(port!, '/livez', { as: null })).body).toBe('{"status":"ok"}')
      const ready = await world().call(port!, '/readyz', { as: null })
      expect([ready.status, ready.body]).toEqual([200, '{"status":"ok","svid":"ready"}'])
      expect(await statuses(port!, '/orders', [null, '/acme/web'])).toEqual([401, 200])
    })

    test('count decisions and refused peers, for Prometheus alone', async () => {
      const [port] = await portsOf('docs/recipes/metrics.md')
      expect(await statuses(port!, '/orders', ['/acme/web', '/acme/batch'])).toEqual([200, 403])
      await expect(world().call(port!, '/orders', { as: null })).rejects.toThrow()
      const { body } = await world().call(port!, '/metrics', { as: '/ops/prometheus' })
      expect(body).toMatch(/^spiffe_svid_expiry_timestamp_seconds \d+/)
      const deny = 'decision="deny",reason="not-allowed",route="/orders"'
      expect(body).toContain(`spiffe_authorization_decisions_total{${deny}} `)
      expect(body).toContain('spiffe_peer_rejections_total{side="server",code="no-certificate"} ')
      expect(body).not.toContain('spiffe://')
      expect(await statuses(port!, '/metrics', ['/acme/web'])).toEqual([403])
    })

    test('serve probes on a plain port, and two ports with the same identity', async () => {
      const path = 'docs/recipes/several-listeners.md'
      const [port, plain] = await portsOf(path, 'Probes and metrics on a plain port')
      expect((await callPlain(plain!, '/readyz')).body).toBe('{"svid":"ready"}')
      expect((await callPlain(plain!, '/orders')).status).toBe(404)
      expect(await statuses(port!, '/orders', ['/acme/web', '/acme/batch'])).toEqual([200, 403])

      const [orders, admin] = await portsOf(path, 'Two ports with the same identity')
      expect(await statuses(orders!, '/', ['/acme/web', '/ops/shell'])).toEqual([200, 403])
      expect(await statuses(admin!, '/', ['/acme/web', '/ops/shell'])).toEqual([403, 200])

      const [, bundles] = await portsOf(path, 'A bundle endpoint beside a service')
      const { status, headers, body } = await world().call(bundles!, '/', { as: null })
      expect([status, headers['content-type']]).toEqual([200, 'application/json'])
      expect(JSON.parse(body).keys.map(({ use }: { use: string }) => use)).toEqual([
        'x509-svid',
        'jwt-svid',
      ])
    })

    test('end a service that is told to, and its process with it', async () => {
      const file = fileOf('docs/recipes/graceful-end.md')
      const { endpointPath } = world().runner
      const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${endpointPath}`, PORT: '0' }
      await using service = new NodeProcess(file, env)
      const [, port] = await service.says(/listening at https:\/\/127\.0\.0\.1:(\d+)/)
      expect((await world().call(Number(port), '/orders')).status).toBe(200)
      expect(await service.stop()).toMatchObject({ code: 0, error: '' })
    })
  })
}
