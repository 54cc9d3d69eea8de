import { webPki } from '@fastify-spiffe/tls'
import type { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { codedErrorOf, createDispatcher } from './index.ts'
import { openScene, Opened, SERVER_ID, TestServer, ways, type Scene } from './scene.test.helper.ts'

let scene: Scene
let source: ScriptedSource

beforeAll(async () => {
  scene = await openScene()
  source = await scene.newClient()
})

/** Answers with the token that it gets; `/away` leads to another origin. */
function echo(away?: TestServer): Promise<TestServer> {
  return TestServer.serve(scene.server, (request, response) => {
    if (request.url === '/away') response.writeHead(307, { location: `${away?.origin}/` })
    if (request.url === '/here') response.writeHead(307, { location: '/' })
    response.end(String(request.headers.authorization))
  })
}

const tokens = async (audience: string): Promise<string> => `token.for.${audience}`

describe.each(ways)('jwt with $title', ({ fetch, options }) => {
  test('presents a token to the origins that it names, and to no other after a redirect', async () => {
    await using other = await echo()
    await using server = await echo(other)
    const audiences = { [server.origin]: 'orders' }
    await using opened = new Opened({
      ...options,
      source,
      server: SERVER_ID,
      jwt: { audiences, tokens },
    })
    const get = async (url: string): Promise<string> => (await fetch(opened.dispatcher, url)).text()
    expect(await get(server.origin)).toBe('Bearer token.for.orders')
    expect(await get(`${server.origin}/here`)).toBe('Bearer token.for.orders')
    expect(await get(`${server.origin}/away`)).toBe('undefined')
    expect(await get(other.origin)).toBe('undefined')
  })

  test('sends nothing when there is no token, or a header is there already', async () => {
    await using server = await echo()
    const audiences = { [server.origin]: 'orders' }
    const failing = [
      () => Promise.reject(new Error('secret')),
      () => {
        throw new Error('secret')
      },
      () => '',
      () => 'a b',
      () => 'a\r\nx: y',
      () => 5 as never,
    ]
    for (const provide of failing) {
      await using opened = new Opened({
        ...options,
        source,
        server: SERVER_ID,
        jwt: { audiences, tokens: provide },
      })
      const error: unknown = await fetch(opened.dispatcher, server.origin).catch(
        (it: unknown) => it,
      )
      expect(codedErrorOf(error)).toMatchObject({ code: 'no-token' })
      expect(codedErrorOf(error)?.message).not.toContain('secret')
    }
    const jwt = { audiences, tokens }
    await using opened = new Opened({ ...options, source, server: SERVER_ID, jwt })
    const headers = { authorization: 'Basic x' }
    const twice: unknown = await fetch(opened.dispatcher, server.origin, { headers }).catch(
      (it: unknown) => it,
    )
    expect(codedErrorOf(twice)).toMatchObject({ code: 'invalid-option' })
    expect(server.requests).toBe(0)
  })

  test('presents none to a server that does not prove itself', async () => {
    const evil = await scene.authority.mint('spiffe://example.org/evil')
    await using server = await TestServer.serveEvil(evil)
    const jwt = { audiences: { [server.origin]: 'orders' }, tokens }
    await using opened = new Opened({ ...options, source, server: SERVER_ID, jwt })
    const error: unknown = await fetch(opened.dispatcher, server.origin).catch((it: unknown) => it)
    expect(codedErrorOf(error)).toMatchObject({ code: 'server-not-allowed' })
    expect(server.bytes).toBe(0)
  })
})

test('jwt takes a source of tokens as well as a function', async () => {
  await using server = await echo()
  const held = { fetchJwtSvid: async ({ audience }: { audience: string }) => ({ token: audience }) }
  const jwt = { audiences: { [`${server.origin}/`]: 'orders' }, tokens: held }
  await using opened = new Opened({ source, server: SERVER_ID, jwt })
  expect(await (await opened.dispatcher.fetch(server.origin)).text()).toBe('Bearer orders')
})

test.each<[string, unknown]>([
  ['no object', 'orders'],
  ['no audiences', { tokens }],
  ['no tokens', { audiences: {} }],
  ['tokens as a string', { audiences: {}, tokens: 'x' }],
  ['plain HTTP', { audiences: { 'http://orders': 'orders' }, tokens }],
  ['a path', { audiences: { 'https://orders/path': 'orders' }, tokens }],
  ['a user', { audiences: { 'https://me@orders': 'orders' }, tokens }],
  ['an empty audience', { audiences: { 'https://orders': '' }, tokens }],
  ['another option', { audiences: {}, tokens, query: true }],
])('jwt with %s is refused', (_, jwt) => {
  const options = { source, server: webPki(), jwt: jwt as never }
  expect(() => createDispatcher(options)).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^(invalid|unknown)-option$/) }),
  )
})
