import { offerBearer } from '@fastify-spiffe/plugin-kit'
import type { Decision, DecisionPoint, Outcome, RefusalKind } from '@fastify-spiffe/policy'
import { describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyRequest } from 'fastify'
import { RequestReader } from '../call/reader.ts'
import type { ResponseOptions } from './enforce.ts'
import { AuthorizationHook } from './hook.ts'

type Refusal = Extract<Decision, { allowed: false }>

const REFUSAL: Refusal = { allowed: false, reason: 'not-allowed', cached: false }
const ALLOWED: Decision = { allowed: true, reason: 'allowed', cached: false }
const [INFO, WARN] = [30, 40]

const refusedAs = (kind: RefusalKind, decision: Refusal = REFUSAL): Outcome => ({
  isAdmitted: false,
  decision,
  kind,
  policyVersion: 'v1',
  isShadow: false,
})
const admitted = (decision: Decision, kind: RefusalKind | null = null): Outcome => ({
  isAdmitted: true,
  decision,
  kind,
  policyVersion: 'v1',
  isShadow: kind !== null,
})

interface Challenge {
  readonly takesTokens?: boolean
  /** What the application asks for by itself. */
  readonly asked?: string
}

/** What becomes of one request with this outcome, and what is logged of it. */
async function respond(
  outcome: Outcome,
  options: Partial<ResponseOptions> = {},
  method: 'handler' | 'refuse' = 'handler',
  { takesTokens = false, asked: challenge }: Challenge = {},
) {
  const lines: Record<string, unknown>[] = []
  const stream = {
    write: (text: string): void => {
      const line: Record<string, unknown> = JSON.parse(text)
      // The lines of Fastify itself.
      if (!Object.hasOwn(line, 'req') && !Object.hasOwn(line, 'res')) lines.push(line)
    },
  }
  await using app = Fastify({ logger: { stream, level: 'info' } })
  const asked: [string, FastifyRequest][] = []
  const decideBy =
    (name: string): DecisionPoint<FastifyRequest>['decide'] =>
    (request, enforce) => {
      asked.push([name, request])
      enforce(outcome)
    }
  const point = { decide: decideBy('decide'), refuse: decideBy('refuse') }
  const hook = new AuthorizationHook('named', point as DecisionPoint<FastifyRequest>, {
    reader: new RequestReader(null),
    staleHeader: null,
    mismatchStatus: 404,
    ...options,
  })
  const passed: FastifyRequest[] = []
  if (takesTokens) offerBearer(app.server)
  app.addHook('onRequest', function (request, reply, done) {
    if (challenge !== undefined) reply.header('www-authenticate', challenge)
    if (method === 'refuse') hook.refuse(request, reply, done)
    else hook.handler.call(this, request, reply, done)
  })
  app.get('/orders/:id', (request) => {
    passed.push(request)
    return 'in'
  })
  const { statusCode, headers, body } = await app.inject('/orders/7')
  return { statusCode, headers, body, asked, passed, lines, name: hook.handler.name }
}

describe('a request that is admitted', () => {
  test('reaches its handler, and nothing is logged', async () => {
    const { statusCode, asked, passed, lines, name } = await respond(admitted(ALLOWED))
    expect([statusCode, name]).toEqual([200, 'named'])
    expect(asked).toEqual([['decide', passed[0]]])
    expect(lines).toEqual([])
  })

  test('although its rule refuses, in shadow mode, is logged as a warning', async () => {
    const { statusCode, lines } = await respond(admitted(REFUSAL, 'forbidden'))
    expect(statusCode).toBe(200)
    expect(lines).toMatchObject([
      { level: WARN, reason: 'not-allowed', statusCode: 403, route: '/orders/:id' },
    ])
  })
})

describe('a request that is refused', () => {
  test.each<[RefusalKind, number, string]>([
    ['unauthenticated', 401, 'unauthenticated'],
    ['forbidden', 403, 'forbidden'],
    ['not-found', 404, 'not-found'],
    ['too-many-requests', 429, 'too-many-requests'],
    ['tenant-mismatch', 404, 'not-found'],
  ])('as %s gets the status %d, and learns nothing else', async (kind, status, code) => {
    const { statusCode, body, passed, lines } = await respond(refusedAs(kind))
    expect(statusCode).toBe(status)
    expect(JSON.parse(body)).toMatchObject({ code, statusCode: status })
    expect(body).not.toContain('not-allowed')
    expect(passed).toEqual([])
    expect(lines).toMatchObject([{ statusCode: status }])
  })

  test.each<[string, Challenge, string | undefined]>([
    ['where no token would help', {}, undefined],
    ['where tokens are taken', { takesTokens: true }, 'Bearer'],
    ['where the application asks for more', { takesTokens: true, asked: 'Negotiate' }, 'Negotiate'],
  ])('for lack of an identity is asked for a token: %s', async (_where, given, expected) => {
    const { headers } = await respond(refusedAs('unauthenticated'), {}, 'handler', given)
    expect(headers['www-authenticate']).toBe(expected)
    const { headers: others } = await respond(refusedAs('forbidden'), {}, 'handler', given)
    expect(others['www-authenticate']).toBe(given.asked)
  })

  test('for its tenant gets the status that is set for that', async () => {
    const { statusCode, lines } = await respond(refusedAs('tenant-mismatch'), {
      mismatchStatus: 403,
    })
    expect(statusCode).toBe(403)
    expect(lines).toMatchObject([{ statusCode: 403 }])
  })

  test('is logged once, with what decided', async () => {
    const { lines } = await respond(refusedAs('forbidden'))
    expect(lines).toEqual([
      {
        level: INFO,
        reason: 'not-allowed',
        statusCode: 403,
        route: '/orders/:id',
        policyVersion: 'v1',
        time: expect.any(Number),
        pid: expect.any(Number),
        hostname: expect.any(String),
        reqId: expect.any(String),
        msg: expect.any(String),
      },
    ])
  })

  test('is logged with the engine, the detail and the error where there are such', async () => {
    const error = new Error('gone')
    const refusal: Refusal = { ...REFUSAL, engine: 'judge', detail: 'jwt-expired', error }
    const { lines } = await respond(refusedAs('forbidden', refusal))
    expect(lines).toMatchObject([
      { level: INFO, engine: 'judge', detail: 'jwt-expired', err: { message: 'gone' } },
    ])
  })

  test('by a fault of the service is logged as a warning', async () => {
    const { lines } = await respond(
      refusedAs('forbidden', { ...REFUSAL, reason: 'engine-failed', engine: 'judge' }),
    )
    expect(lines).toMatchObject([{ level: WARN, reason: 'engine-failed', engine: 'judge' }])
  })

  test('because no rule can be for it is refused by the decision point too', async () => {
    const { statusCode, asked, passed, lines } = await respond(
      refusedAs('not-found', { ...REFUSAL, reason: 'not-found' }),
      {},
      'refuse',
    )
    expect(statusCode).toBe(404)
    expect(asked.map(([name]) => name)).toEqual(['refuse'])
    expect(passed).toEqual([])
    expect(lines).toMatchObject([{ level: INFO, reason: 'not-found', statusCode: 404 }])
  })
})

describe('a stale decision', () => {
  const stale: Decision = { allowed: true, reason: 'stale', cached: true, engine: 'judge' }

  test('that allows is logged as a warning, and told where a header is named', async () => {
    const { statusCode, headers, lines } = await respond(admitted(stale), {
      staleHeader: 'x-stale',
    })
    expect([statusCode, headers['x-stale']]).toEqual([200, 'judge'])
    expect(lines).toMatchObject([{ level: WARN, engine: 'judge', route: '/orders/:id' }])
  })

  test('is told to nobody otherwise', async () => {
    const { headers } = await respond(admitted(stale))
    expect(Object.values(headers)).not.toContain('judge')
  })

  test('that refuses is logged, and the refusal as well', async () => {
    const refusal: Refusal = { allowed: false, reason: 'stale', cached: true, engine: 'judge' }
    const { statusCode, headers, lines } = await respond(refusedAs('forbidden', refusal), {
      staleHeader: 'x-stale',
    })
    expect([statusCode, headers['x-stale']]).toEqual([403, 'judge'])
    expect(lines.map(({ level, reason }) => [level, reason])).toEqual([
      [WARN, undefined],
      [INFO, 'stale'],
    ])
  })
})
