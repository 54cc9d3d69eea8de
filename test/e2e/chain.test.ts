import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { chain, chainHeaders, Chains } from '@fastify-spiffe/chain'
import { createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { matchMemberOf } from '@fastify-spiffe/spiffe'
import { SvidAgent, webPki } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'

const NAMES = ['web', 'shop', 'checkout', 'ledger', 'audit'] as const
const [WEB, SHOP, CHECKOUT, LEDGER, AUDIT] = NAMES.map(
  (name) => `spiffe://example.org/acme/${name}`,
)
const IDS = [WEB!, SHOP!, CHECKOUT!, LEDGER!, AUDIT!]

let authority: Authority
const sources = new Map<string, InProcessSource>()
const closing: (() => Promise<void> | void)[] = []
let agentOfWeb: SvidAgent
let portOfShop: number

async function get(agent: SvidAgent, port: number, headers: object): Promise<[number, string]> {
  const request = https.get({ host: '127.0.0.1', port, agent, headers: { ...headers } })
  const [response] = await once(request, 'response')
  return [response.statusCode, await text(response)]
}

async function fetched(dispatcher: SvidDispatcher, port: number): Promise<[number, string]> {
  const response = await dispatcher.fetch(`https://127.0.0.1:${port}/`)
  return [response.status, await response.text()]
}

/** Serves a service that passes each call on to the next one; the last says on whose behalf it was called. */
async function serve(id: string, next: { id: string; port: number } | null): Promise<number> {
  const source = sources.get(id)!
  const app = Fastify(spiffeServer(source))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(chain, { source, handTo: next === null ? [] : [next.id] })
  if (next === null) {
    app.get('/', ({ chain: found }) => [found?.origin, ...(found?.via ?? []), found?.caller].join())
  } else {
    const options = { source, server: next.id, chainHeaders }
    const agent = new SvidAgent({ ...options, keepAlive: true })
    const dispatcher = createDispatcher(options)
    closing.push(
      () => agent.destroy(),
      () => dispatcher.close(),
    )
    app.get('/', async (_request, reply) => {
      const [status, body] =
        id === LEDGER ? await fetched(dispatcher, next.port) : await get(agent, next.port, {})
      return reply.code(status).send(body)
    })
  }
  closing.push(() => app.close())
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

function agentFor(source: InProcessSource, server: string): SvidAgent {
  const agent = new SvidAgent({ source, server, keepAlive: true })
  closing.push(() => agent.destroy())
  return agent
}

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org', intermediates: 1 })
  for (const id of IDS) sources.set(id, await authority.source(id))
  let next: { id: string; port: number } | null = null
  for (const id of [AUDIT!, LEDGER!, CHECKOUT!, SHOP!]) {
    next = { id, port: await serve(id, next) }
  }
  portOfShop = next!.port
  agentOfWeb = agentFor(sources.get(WEB!)!, SHOP!)
})

afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  await authority.close()
})

describe('a chain of four calls', () => {
  test('reaches the last service with the signatures of all, through rotations of SVIDs and of the authority', async () => {
    const web = new Chains({ source: sources.get(WEB!)!, handTo: [SHOP!] })
    const outcomes = new Map<string, number>()
    const one = async (): Promise<void> => {
      const [status, body] = await get(agentOfWeb, portOfShop, web.headersFor(SHOP!, null))
      const outcome = `${status} ${body}`
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 8 }, one)
      if (round % 2 === 0) await authority.rotateSvids()
      await Promise.all(calls)
    }
    await authority.rotateAuthority()
    await Promise.all(Array.from({ length: 8 }, one))
    expect([...outcomes]).toEqual([[`200 ${[WEB, SHOP, CHECKOUT, LEDGER].join()}`, 48]])
  })

  test('without headers of the first begins with the next', async () => {
    const answer = await get(agentOfWeb, portOfShop, {})
    expect(answer).toEqual([200, [SHOP, CHECKOUT, LEDGER].join()])
  })
})

describe('the option chainHeaders', () => {
  test('sends nothing where the headers cannot be made, and not to whoever answers', () => {
    const source = sources.get(WEB!)!
    const options = { source, server: SHOP!, chainHeaders }
    const agent = new SvidAgent(options)
    const target = { host: '127.0.0.1', port: portOfShop, agent }
    const noContext = expect.objectContaining({ code: 'no-context' })
    expect(() => https.get(target)).toThrow(noContext)
    expect(Object.keys(agent.sockets)).toEqual([])
    agent.destroy()
    const invalid = expect.objectContaining({ code: 'invalid-option' })
    for (const server of ['spiffe://example.org/acme/*', matchMemberOf('example.org'), webPki()]) {
      expect(() => new SvidAgent({ ...options, server })).toThrow(invalid)
      expect(() => createDispatcher({ ...options, server })).toThrow(invalid)
    }
    expect(() => new SvidAgent({ ...options, chainHeaders: {} as never })).toThrow(invalid)
  })

  test('fails a request of a dispatcher with the reason', async () => {
    const source = sources.get(WEB!)!
    const dispatcher = createDispatcher({ source, server: SHOP!, chainHeaders })
    await expect(dispatcher.fetch(`https://127.0.0.1:${portOfShop}/`)).rejects.toMatchObject({
      cause: { code: 'no-context' },
    })
    await dispatcher.close()
  })
})
