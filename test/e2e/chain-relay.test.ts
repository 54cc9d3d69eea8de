import { createHash } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz } from '@fastify-spiffe/authz'
import {
  chain,
  Chains,
  contentDigest,
  type ChainHeaders,
  type RelayedRequest,
} from '@fastify-spiffe/chain'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { spiffeServer } from '@fastify-spiffe/svid'
import { SvidAgent } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'

const [WEB, CHECKOUT, RELAY, LEDGER] = ['web', 'checkout', 'relay', 'ledger'].map(
  (name) => `spiffe://example.org/acme/${name}`,
) as [string, string, string, string]

/** What the relay makes of a request: how often it sends it, and what it changes. */
interface Conduct {
  readonly times?: number
  readonly body?: string
  readonly path?: string
  readonly method?: string
}

const REQUEST = { method: 'POST', target: '/v1/entries?book=1' }

let authority: Authority
const sources = new Map<string, InProcessSource>()
const closing: (() => Promise<void> | void)[] = []
let portOfRelay = 0
let conduct: Conduct = {}

/** Lets in the relay, for those alone who are called for by `checkout` or on their own. */
async function serveLedger(): Promise<number> {
  const source = sources.get(LEDGER)!
  const options = spiffeServer(source)
  const settings = { ...options, bodyLimit: 1000 }
  const app = Fastify({ ...settings, rewriteUrl: ({ url }) => url!.replace('/v1/', '/') })
  await app.register(peer)
  await app.register(chain, { source, relays: [RELAY] })
  await app.register(authz)
  const rule = { allow: [RELAY], onBehalfOf: [WEB], via: [CHECKOUT] }
  app.all('/entries', { config: { spiffe: rule } }, ({ chain: found, spiffeId }) => {
    return [spiffeId, found?.origin, ...(found?.via ?? []), found?.caller].map(String)
  })
  app.post('/booked', { config: { spiffe: rule } }, ({ body }) => body)
  return listen(app)
}

async function serveRelay(ledger: number): Promise<number> {
  const source = sources.get(RELAY)!
  const agent = agentOf(source, LEDGER)
  const app = Fastify(spiffeServer(source))
  await app.register(peer)
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.removeContentTypeParser('application/json')
  app.all('/*', async ({ raw, method, headers: all, body = '' }) => {
    const own = Object.entries(all).filter(([name]) => /^(?:svid-chain|content-[dt])/.test(name))
    const headers = Object.fromEntries(own)
    const answers: Answer[] = []
    for (let sent = 0; sent < (conduct.times ?? 1); sent++) {
      const [path, as] = [conduct.path ?? raw.url!, conduct.method ?? method]
      const sentBody = conduct.body ?? String(body)
      answers.push(await call({ agent, port: ledger, path, method: as, headers }, sentBody))
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

async function call(
  { headers, ...options }: Omit<https.RequestOptions, 'headers'> & { readonly headers: object },
  body = '',
): Promise<Answer> {
  const request = https.request({ host: '127.0.0.1', ...options, headers: { ...headers } })
  // In chunks, so that nobody knows the length beforehand.
  if (body !== '') request.write(body)
  request.end()
  const [response] = await once(request, 'response')
  return [response.statusCode, JSON.parse(await text(response)) as unknown]
}

/** Sends headers to the relay with a request, and gives the answers that it got. */
async function throughRelay(
  headers: object,
  as: Conduct = {},
  { target: path, body = '' }: { readonly target: string; readonly body?: string } = REQUEST,
): Promise<unknown> {
  conduct = as
  const agent = agentOf(sources.get(WEB)!, RELAY)
  const [, answers] = await call({ agent, port: portOfRelay, path, method: 'POST', headers }, body)
  return answers
}

function headersOfWeb(request: RelayedRequest = REQUEST): ChainHeaders {
  const chains = new Chains({ source: sources.get(WEB)!, handTo: [LEDGER] })
  return chains.headersFor(LEDGER, null, request)
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

describe('the body of a request that passes a relay', () => {
  const body = '{"amount":1}'
  const booking = { method: 'POST', target: '/v1/booked', body }
  const json = { 'content-type': 'application/json' }

  /** Headers that name the digest of the body. */
  function digested(digest = contentDigest(body)): object {
    const headers = headersOfWeb({ ...booking, contentDigest: digest })
    return { ...json, ...headers, 'content-digest': digest }
  }

  test('arrives as it was digested', async () => {
    expect(await throughRelay(digested(), {}, booking)).toEqual([[200, { amount: 1 }]])
    const long = `sha-512=:${createHash('sha512').update(body).digest('base64')}:`
    expect(await throughRelay(digested(long), {}, booking)).toEqual([[200, { amount: 1 }]])
  })

  test('is refused when it is another, has more or less, or none is left', async () => {
    for (const other of ['{"amount":2}', `${body} `, body.slice(0, -1), '{}']) {
      expect(await throughRelay(digested(), { body: other }, booking)).toEqual([refused])
    }
  })

  test('is refused when nobody has digested it', async () => {
    const headers = { ...json, ...headersOfWeb(booking) }
    expect(await throughRelay(headers, {}, booking)).toEqual([refused])
  })

  test('may be larger than the limit, and another: the service lives on', async () => {
    const [[status] = []] = (await throughRelay(
      digested(),
      { body: ' '.repeat(200_000) },
      booking,
    )) as Answer[]
    expect(status).toBe(413)
    expect(await throughRelay(digested(), {}, booking)).toEqual([[200, { amount: 1 }]])
  })
})
