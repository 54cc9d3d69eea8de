import { authz, type InvalidationBus } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { expect, test } from '@jest/globals'
import Fastify from 'fastify'

/** Promised are 2 s; a machine that is busy with other things gets more. */
const LIMIT_MS = 10_000

async function elapsed(act: () => PromiseLike<unknown>): Promise<number> {
  const since = performance.now()
  await act()
  return performance.now() - since
}

test('an invalidation bus that never answers delays boot and close of an application by two seconds, and not longer', async () => {
  const bus: InvalidationBus = {
    name: 'silent',
    publish: () => new Promise(() => undefined),
    subscribe: ({ onSubscribed }) => {
      onSubscribed()
      return () => undefined
    },
  }
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, { replicas: { bus, secret: 'sixteen or more characters' } })

  const bootMs = await elapsed(() => app.ready())
  expect(bootMs).toBeGreaterThan(1_950)
  expect(bootMs).toBeLessThan(LIMIT_MS)
  expect(app.authz.replicas()).toMatchObject({ state: 'stale', problem: 'bus-timeout' })

  expect(await elapsed(() => app.close())).toBeLessThan(LIMIT_MS)
})
