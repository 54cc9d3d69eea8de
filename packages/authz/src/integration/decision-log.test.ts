// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { EventEmitter, once } from 'node:events'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type DecisionLogEvent, type DecisionLogOptions } from '../index.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** An application whose `GET /orders/:id` lets WEB in. What is waiting is written when it closes. */
async function service(options: Partial<DecisionLogOptions>, random = () => 0.5) {
  const batches: (readonly DecisionLogEvent[])[] = []
  const write = (events: readonly DecisionLogEvent[]): void => void batches.push(events)
  const errors: unknown[] = []
  const stream = { write: (line: string) => void errors.push(JSON.parse(line)) }
  const app = Fastify({ logger: { level: 'error', stream } })
  apps.push(app)
  await app.register(peer)
  await app.register(authz, {
    tenant: '/{tenant}/{workload}',
    policy: { version: 'v7', routes: { 'GET /orders/:id': { allow: [WEB] } } },
    decisionLog: { write, flushMs: 60_000, ...options },
    clock: () => Date.UTC(2026, 10, 26),
    random,
  })
  app.get('/orders/:id', () => 'in')
  await app.ready()
  const ask = async (...callers: string[]): Promise<void> => {
    for (const caller of callers) await injectAs(app, caller, '/orders/7')
  }
  return { app, batches, errors, ask }
}

test('a refusal is recorded as OPA records decisions', async () => {
  const { app, batches, ask } = await service({ labels: { service: 'orders' } })
  await ask(API)
  expect(batches).toEqual([])
  await app.close()
  expect(batches).toEqual([
    [
      {
        decision_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        labels: { service: 'orders' },
        path: 'spiffe/authz/allow',
        input: {
          method: 'GET',
          route: '/orders/:id',
          spiffe_id: API,
          trust_domain: 'example.org',
          tenant: 'acme',
        },
        result: {
          allow: false,
          reason: 'not-allowed',
          cached: false,
          engine: null,
          mode: 'enforce',
        },
        requested_by: '127.0.0.1',
        timestamp: '2026-11-26T00:00:00.000Z',
        req_id: expect.stringMatching(/^req-/),
        bundles: { policy: { revision: 'v7' } },
      },
    ],
  ])
})

test('refusals are always recorded, allows by their share', async () => {
  const draws = [0.1, 0.3, 0.5, 0.1, 0.3]
  let at = 0
  const { app, batches, ask } = await service({ allowSampleRate: 0.2 }, () => draws[at++ % 5]!)
  await ask(WEB, WEB, API, WEB, API, WEB)
  await app.close()
  expect(batches.flat().map(({ result }) => result['allow'])).toEqual([true, false, false, true])
  expect(app.authz.decisionLog()).toEqual({ written: 4, leftOut: 2, dropped: 0, failed: 0 })
})

test('what is masked is taken out, and said to be', async () => {
  const mask = ['/input/spiffe_id', '/requested_by', '/labels/a~1b']
  const { app, batches, ask } = await service({ mask, labels: { 'a/b': 'secret' } })
  await ask(API)
  await app.close()
  const [event] = batches.flat()
  expect(JSON.stringify(event)).not.toContain(API)
  expect(event).not.toHaveProperty('requested_by')
  expect(event?.labels).toEqual({})
  expect(event?.erased).toEqual(['/input/spiffe_id', '/requested_by', '/labels/a~1b'])
})

test('what is masked is taken out of each event, and not of the options', async () => {
  const labels = { host: 'a' }
  const { app, batches, ask } = await service({ mask: ['/labels/host'], labels })
  await ask(API, API)
  await app.close()
  expect(batches.flat().map(({ erased }) => erased)).toEqual([['/labels/host'], ['/labels/host']])
  expect(labels).toEqual({ host: 'a' })
})

test('more than may wait are dropped and counted', async () => {
  const { app, batches, ask } = await service({ maxWaiting: 2 })
  await ask(API, API, API, API)
  await app.close()
  expect(batches.flat().length).toBe(2)
  expect(app.authz.decisionLog()).toMatchObject({ written: 2, dropped: 2 })
})

test('no more than may wait do while a batch is not written', async () => {
  let finish: () => void = () => undefined
  const { app, ask } = await service({
    flushMs: 1,
    maxBatch: 1,
    maxWaiting: 2,
    write: () => new Promise((resolve) => (finish = resolve)),
  })
  for (let at = 0; at < 6; at++) {
    await ask(API)
    // The next flush is due.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(app.authz.decisionLog()).toMatchObject({ written: 0, dropped: 3 })
  const closing = app.close()
  while (app.authz.decisionLog()?.written !== 3) {
    finish()
    await new Promise(setImmediate)
  }
  await closing
})

test('batches are written in time, one after the other, and one that fails loses no other', async () => {
  const sizes: number[] = []
  const log = new EventEmitter()
  const third = once(log, 'third')
  const { ask, app } = await service({
    flushMs: 5,
    maxBatch: 2,
    write: async (events) => {
      sizes.push(events.length)
      if (sizes.length === 3) log.emit('third')
      if (sizes.length === 1) throw new Error('the disk is full')
    },
  })
  await ask(API, API, API, API, API)
  await third
  await app.close()
  expect(sizes).toEqual([2, 2, 1])
  expect(app.authz.decisionLog()).toMatchObject({ written: 3, failed: 2 })
})

test('a batch that is never written holds up no closing, and the log says what is lost', async () => {
  const { app, errors, ask } = await service({
    maxBatch: 2,
    closeTimeoutMs: 1,
    write: () => new Promise(() => undefined),
  })
  await ask(API, API, API)
  await app.close()
  expect(errors).toMatchObject([{ dropped: 1, underWay: 2 }])
  expect(app.authz.decisionLog()).toEqual({ written: 0, leftOut: 0, dropped: 1, failed: 0 })
})

describe('an option', () => {
  test.each<[string, object, string?]>([
    ['without write', { write: undefined }],
    ['with a share above 1', { allowSampleRate: 1.5 }],
    ['with a mask that is no pointer', { mask: ['input/spiffe_id'] }],
    ['with a broken escape in its mask', { mask: ['/a~2'] }],
    ['with a mask that no event has', { mask: ['/input/spiffeId'] }],
    ['with no time to close', { closeTimeoutMs: 0 }],
    ['with an unknown key', { gzip: true }, 'unknown-option'],
  ])('%s does not boot', async (_, options, code = 'invalid-option') => {
    await expect(service(options)).rejects.toMatchObject({ code })
  })
})
