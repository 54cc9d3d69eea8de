import { Authority } from '@fastify-spiffe/authority'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifySpiffe, { matchId, spiffeServer, SvidAgent } from 'fastify-spiffe'

const PDP = 'spiffe://example.org/platform/pdp'
const ORDERS = 'spiffe://example.org/acme/orders'
const QUESTION = {
  spiffeId: SpiffeId.parse('spiffe://example.org/acme/web'),
  tenant: null,
  method: 'GET',
  route: '/orders/:id',
  attributes: {},
}

let authority: Authority
let pdp: FastifyInstance
let url: string
const askers: string[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  const source = await authority.source(PDP)
  pdp = Fastify({ ...spiffeServer(source), forceCloseConnections: true })
  await pdp.register(fastifySpiffe, { source })
  const config = { spiffe: { allow: [ORDERS] } }
  pdp.post('/access/v1/evaluation', { config }, (request) => {
    askers.push(String(request.spiffeId))
    return { decision: true }
  })
  url = await pdp.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await pdp?.close()
  await authority?.[Symbol.asyncDispose]()
})
beforeEach(() => void (askers.length = 0))

/** Asks the decision point as `asker`, expecting `server`, with an identity of `domain`. */
async function ask(asker: string, server: string, domain: Authority = authority): Promise<boolean> {
  const agent = new SvidAgent({
    source: await domain.source(asker),
    server: matchId(server),
    keepAlive: true,
  })
  const engine = authzen({ url, agent })
  try {
    return await engine.decide(QUESTION, { signal: AbortSignal.timeout(30_000) })
  } finally {
    agent.destroy()
  }
}

test('a decision point is asked with the own SVID, and knows who asks', async () => {
  expect(await ask(ORDERS, PDP)).toBe(true)
  expect(askers).toEqual([ORDERS])
})

test('it is asked with the SVID of the day', async () => {
  const source = await authority.source(ORDERS)
  const agent = new SvidAgent({ source, server: matchId(PDP), keepAlive: true })
  const engine = authzen({ url, agent })
  const decide = async (): Promise<boolean> =>
    engine.decide(QUESTION, { signal: AbortSignal.timeout(30_000) })
  expect(await decide()).toBe(true)
  await authority.rotateAuthority()
  expect(await decide()).toBe(true)
  expect(askers).toEqual([ORDERS, ORDERS])
  agent.destroy()
})

test('who may not ask is no decision', async () => {
  await expect(ask('spiffe://example.org/acme/jobs', PDP)).rejects.toMatchObject({
    code: 'invalid-answer',
  })
  expect(askers).toEqual([])
})

test('nobody else is taken for the decision point, and nothing is sent to them', async () => {
  await expect(ask(ORDERS, 'spiffe://example.org/platform/other')).rejects.toMatchObject({
    code: 'engine-unreachable',
    cause: { code: 'server-not-allowed' },
  })
  expect(askers).toEqual([])
})

test('an asker of a foreign trust domain is not let in', async () => {
  await using foreign = await Authority.create({ trustDomain: 'example.org' })
  await expect(ask(ORDERS, PDP, foreign)).rejects.toMatchObject({ code: 'engine-unreachable' })
  expect(askers).toEqual([])
})
