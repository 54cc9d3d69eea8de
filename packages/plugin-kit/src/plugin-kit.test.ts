import { describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  AUTHZ_REGISTRATIONS,
  logOnce,
  outermostOf,
  refuseUnenforcedRules,
  withoutStack,
} from './index.ts'

const rule = { config: { spiffe: { allow: ['spiffe://example.org/web'] } } }

test('outermostOf finds the instance that the application began with from any within', async () => {
  await using app = Fastify()
  const found: FastifyInstance[] = []
  await app.register(async (child) => {
    await child.register(async (grandchild) => void found.push(outermostOf(grandchild)))
  })
  expect(found).toEqual([app])
  expect(outermostOf(app)).toBe(app)
})

test('withoutStack leaves of an error what it says', () => {
  const error = withoutStack(new RangeError('too far'))
  expect(error.stack).toBe('RangeError: too far')
})

test('logOnce keeps Fastify from logging a refusal again, and lets all other lines through', async () => {
  const lines: string[] = []
  const stream = { write: (line: string): void => void lines.push(JSON.parse(line).msg) }
  await using app = Fastify({ logger: { stream, level: 'info' } })
  const refusal = Object.assign(new Error('refused'), { statusCode: 401 })
  app.get('/', (request, reply) => {
    request.log.info('the line of the plugin')
    logOnce(reply, refusal)
    reply.log.info('another line')
    throw refusal
  })
  await app.inject('/')
  expect(lines).toContain('the line of the plugin')
  expect(lines).toContain('another line')
  expect(lines).not.toContain('refused')
})

function refuse(instance: FastifyInstance): void {
  refuseUnenforcedRules([instance], (routes) => new Error(routes))
}

describe('refuseUnenforcedRules', () => {
  test('makes ready() fail with the routes that have a rule, without the HEAD routes that Fastify adds', async () => {
    await using app = Fastify()
    refuse(app)
    app.get('/orders', rule, () => 'ok')
    app.head('/status', rule, () => 'ok')
    app.get('/health', () => 'ok')
    await expect(app.ready()).rejects.toThrow(/^\n {2}GET \/orders\n {2}HEAD \/status$/)
  })

  test('sees a rule that a later hook gives or takes away', async () => {
    await using app = Fastify()
    refuse(app)
    app.addHook('onRoute', (route) => {
      route.config = route.url === '/given' ? rule.config : {}
    })
    app.get('/given', () => 'ok')
    app.get('/taken', rule, () => 'ok')
    await expect(app.ready()).rejects.toThrow(/GET \/given\n {2}GET \/taken$/)
  })

  test('leaves the rules to authz where that is registered', async () => {
    await using app = Fastify()
    refuse(app)
    Object.defineProperty(app.server, AUTHZ_REGISTRATIONS, { value: 1 })
    app.get('/orders', rule, () => 'ok')
    await app.ready()
  })
})
