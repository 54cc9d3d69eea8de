import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { mintRootCa } from '@fastify-spiffe/authority'
import { beforeAll, expect, test } from '@jest/globals'
import { createSvidServer, SvidAgent, type OutgoingTokens } from '../index.ts'
import { bundlesOf, HeldSource, portOf } from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/server'
let server: HeldSource
let web: HeldSource

beforeAll(async () => {
  const authority = await mintRootCa('example.org')
  const bundles = bundlesOf(authority)
  server = new HeldSource((await authority.mint(SERVER_ID)).toX509Svid(), bundles)
  web = new HeldSource((await authority.mint('spiffe://example.org/web')).toX509Svid(), bundles)
})

async function withServer(use: (port: number) => Promise<void>): Promise<void> {
  const listening = createSvidServer(server, {}, ({ headers }, response) => {
    response.end(String(headers.authorization))
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  await use(portOf(listening))
  listening.close()
}

async function get(port: number, jwt: OutgoingTokens, headers = {}): Promise<string> {
  const agent = new SvidAgent({ source: web, server: SERVER_ID, jwt })
  const [response] = await once(https.get({ host: '127.0.0.1', port, agent, headers }), 'response')
  return text(response)
}

const tokens = (audience: string): string => `token.for.${audience}`

test('an agent presents a token to the origins that it is told, whatever the header Host says', async () => {
  await withServer(async (port) => {
    const audiences = { [`https://127.0.0.1:${port}`]: 'orders' }
    expect(await get(port, { audiences, tokens })).toBe('Bearer token.for.orders')
    const other = { audiences: { [`https://127.0.0.1:${port + 1}`]: 'orders' }, tokens }
    const headers = { host: `127.0.0.1:${port + 1}` }
    expect(await get(port, other, headers)).toBe('undefined')
  })
})

test('an agent sends no request without its token', async () => {
  const audiences = { 'https://127.0.0.1:1': 'orders' }
  const request = (provide: OutgoingTokens['tokens'], headers = {}) => {
    const jwt = { audiences, tokens: provide }
    const agent = new SvidAgent({ source: web, server: SERVER_ID, jwt })
    return () => https.get({ host: '127.0.0.1', port: 1, agent, headers })
  }
  const noToken = expect.objectContaining({ code: 'no-token' })
  expect(request(() => '')).toThrow(noToken)
  expect(request(async () => 'late')).toThrow(noToken)
  expect(request(() => Promise.reject(new Error('broken')))).toThrow(noToken)
  expect(
    request(() => {
      throw new Error('broken')
    }),
  ).toThrow(noToken)
  expect(request(() => 'token', { authorization: 'Basic x' })).toThrow(
    expect.objectContaining({ code: 'invalid-option' }),
  )
})
