import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz } from '@fastify-spiffe/authz'
import { chain, Chains, type ChainHeaders } from '@fastify-spiffe/chain'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { spiffeServer } from '@fastify-spiffe/svid'
import { SvidAgent } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Fastify from 'fastify'

const [WEB, CHECKOUT, RELAY, LEDGER] = ['web', 'checkout', 'relay', 'ledger'].map(
  (name) => `spiffe://example.org/acme/${name}`,
) as [string, string, string, string]

/** What the relay makes of a request: how often it sends it, and what it changes. */
interface Conduct {
  readonly times?: number
  readonly path?: string
  readonly method?: string
}

let authority: Authority
const sources = new Map<string, InProcessSource>()
const closing: (() => Promise<void> | void)[] = []
let portOfRelay = 0
let conduct: Conduct = {}

/** Lets in the relay, for those alone who are called for by `checkout` or on their own. */
async function serveLedger(): Promise<number> {
  const source = sources.get(LEDGER)!
  const options = spiffeServer(source)
  const app = Fastify({ ...options, rewriteUrl: ({ url }) => url!.replace('/v1/', '/') })
  await app.register(peer)
  await app.register(chain, { source, relays: [RELAY] })
  await app.register(authz)
  const rule = { allow: [RELAY], onBehalfOf: [WEB], via: [CHECKOUT] }
  app.all('/entries', { config: { spiffe: rule } }, ({ chain: found, spiffeId }) => {
    return [spiffeId, found?.origin, ...(found?.via ?? []), found?.caller].map(String)
  })
  return listen(app)
}

async function serveRelay(ledger: number): Promise<number> {
  const source = sources.get(RELAY)!
  const agent = agentOf(source, LEDGER)
  const app = Fastify(spiffeServer(source))
  await app.register(peer)
  app.all('/*', async ({ raw, method, headers: all }) => {
    const own = Object.entries(all).filter(([name]) => name.startsWith('svid-chain'))
    const headers = Object.fromEntries(own)
    const answers: Answer[] = []
    for (let sent = 0; sent < (conduct.times ?? 1); sent++) {
      const [path, as] = [conduct.path ?? raw.url!, conduct.method ?? method]
      answers.push(await call({ agent, port: ledger, path, method: as, headers }))
    }
    return answers
  })
  return listen(app)
}

async function listen(app: {
  listen: (options: { host: string; port: number }) => Promise<string>
  close: () => Promise<void>
}): Promise<number> {
  closing.push(() => app.close())
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

function agentOf(source: InProcessSource, server: string): SvidAgent {
  const agent = new SvidAgent({ source, server, keepAlive: true })
  closing.push(() => agent.destroy())
  return agent
}

type Answer = readonly [status: number | undefined, body: unknown]

async function call({
  headers,
  ...options
}: Omit<https.RequestOptions, 'headers'> & { readonly headers: object }): Promise<Answer> {
  const request = https.request({ host: '127.0.0.1', ...options, headers: { ...headers } })
  request.end()
  const [response] = await once(request, 'response')
  return [response.statusCode, JSON.parse(await text(response)) as unknown]
}

/** Sends headers to the relay with a request, and gives the answers that it got. */
async function throughRelay(headers: object, as: Conduct = {}): Promise<unknown> {
  conduct = as
  const agent = agentOf(sources.get(WEB)!, RELAY)
  const path = '/v1/entries?book=1'
  const [, answers] = await call({ agent, port: portOfRelay, path, method: 'POST', headers })
  return answers
}

const REQUEST = { method: 'POST', target: '/v1/entries?book=1' }

function headersOfWeb(): ChainHeaders {
  return new Chains({ source: sources.get(WEB)!, handTo: [LEDGER] }).headersFor(
    LEDGER,
    null,
    REQUEST,
  )
}

const refused = [401, expect.objectContaining({ code: 'unauthenticated' })]

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  for (const id of [WEB, CHECKOUT, RELAY, LEDGER]) sources.set(id, await authority.source(id))
  portOfRelay = await serveRelay(await serveLedger())
})

afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  await authority.close()
})

test('a request passes a relay, and the receiver knows both for whom it is and who brought it', async () => {
  expect(await throughRelay(headersOfWeb())).toEqual([[200, [RELAY, WEB, RELAY]]])
})

test('the last signer is one of those between, whom the rule has to name', async () => {
  const [web, checkout] = [WEB, CHECKOUT].map((id) => sources.get(id)!)
  const first = new Chains({ source: web!, handTo: [CHECKOUT] }).headersFor(CHECKOUT, null)
  const app = Fastify()
  await app.register(peer)
  await app.register(chain, { source: checkout!, handTo: [LEDGER] })
  app.get('/', (request) => ({ ...request.chainHeaders(LEDGER, REQUEST) }))
  const made = await injectAs(app, WEB, { url: '/', headers: { ...first } })
  expect(await throughRelay(made.json())).toEqual([[200, [RELAY, WEB, CHECKOUT, RELAY]]])
  await app.close()
})

test('a relay that repeats a request, or changes its path, query or method, gets 401', async () => {
  const twice = await throughRelay(headersOfWeb(), { times: 2 })
  expect(twice).toEqual([[200, [RELAY, WEB, RELAY]], refused])
  expect(await throughRelay(headersOfWeb(), { path: '/v1/entries?book=2' })).toEqual([refused])
  expect(await throughRelay(headersOfWeb(), { path: '/entries?book=1' })).toEqual([refused])
  expect(await throughRelay(headersOfWeb(), { method: 'PUT' })).toEqual([refused])
})

test('a relay that strips the chain acts for itself, and the rule refuses', async () => {
  expect(await throughRelay({})).toEqual([[403, expect.objectContaining({ code: 'forbidden' })]])
})
