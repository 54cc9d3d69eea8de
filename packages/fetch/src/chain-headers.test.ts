import { AsyncLocalStorage } from 'node:async_hooks'
import { matchAny, matchId } from '@fastify-spiffe/spiffe'
import { webPki } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { request as undiciRequest } from 'undici'
import { codedErrorOf, createDispatcher } from './index.ts'
import { openScene, Opened, SERVER_ID, TestServer, ways, type Scene } from './scene.test.helper.ts'

let scene: Scene
let source: ScriptedSource

beforeAll(async () => {
  scene = await openScene()
  source = await scene.newClient()
})

const context = new AsyncLocalStorage<string>()

function chainHeaders(audience: string): Record<string, string> {
  const caller = context.getStore()
  if (caller === undefined) throw new Error('no context')
  return { 'svid-chain': `${caller} ${audience}` }
}

function echo(): Promise<TestServer> {
  return TestServer.serve(scene.server, (request, response) => {
    if (request.url === '/away') response.writeHead(307, { location: '/' })
    const { 'svid-chain': chain, 'x-own': own } = request.headers
    response.end(JSON.stringify([chain, own]))
  })
}

describe.each(ways)('chainHeaders with $title', ({ fetch, options }) => {
  test('go with each request, in the context of its caller, and after a redirect', async () => {
    await using server = await echo()
    await using opened = new Opened({ ...options, source, server: SERVER_ID, chainHeaders })
    const call = async (caller: string, path: string): Promise<unknown> => {
      const init = { headers: { 'x-own': caller } }
      const response = await context.run(caller, () =>
        fetch(opened.dispatcher, `${server.origin}${path}`, init),
      )
      return response.json()
    }
    const callers = ['one', 'two', 'three', 'four']
    const answers = await Promise.all(callers.map((caller) => call(caller, '/')))
    expect(answers).toEqual(callers.map((caller) => [`${caller} ${SERVER_ID}`, caller]))
    expect(await call('five', '/away')).toEqual([`five ${SERVER_ID}`, 'five'])
  })

  test('send nothing when they cannot be made, or are there already', async () => {
    await using server = await echo()
    await using opened = new Opened({ ...options, source, server: SERVER_ID, chainHeaders })
    const failure = await fetch(opened.dispatcher, server.origin).catch((error: Error) => error)
    expect(failure).toMatchObject({ cause: { message: 'no context' } })
    const init = { headers: { 'Svid-Chain': 'another' } }
    const twice = await context.run('one', () =>
      fetch(opened.dispatcher, server.origin, init).catch((error: Error) => error),
    )
    expect(codedErrorOf(twice)).toMatchObject({ code: 'invalid-option' })
    expect(server.requests).toBe(0)
  })
})

test.each([
  ['an object', { 'x-own': 'one' }],
  ['names and values in turn', ['x-own', 'one']],
  ['a map', new Map([['x-own', 'one']])],
  ['built-in headers', new Headers({ 'x-own': 'one' })],
])('chainHeaders go with headers that are %s', async (_name, headers) => {
  await using server = await echo()
  await using opened = new Opened({ source, server: SERVER_ID, chainHeaders })
  const { dispatcher } = opened
  const { body } = await context.run('one', () =>
    undiciRequest(server.origin, { dispatcher, headers }),
  )
  expect(await body.json()).toEqual([`one ${SERVER_ID}`, 'one'])
})

test('chainHeaders need a server with one SPIFFE ID', () => {
  const invalid = expect.objectContaining({ code: 'invalid-option' })
  for (const server of [matchAny(), webPki(), 'spiffe://example.org/*']) {
    expect(() => createDispatcher({ source, server, chainHeaders })).toThrow(invalid)
  }
  const dispatcher = createDispatcher({ source, server: matchId(SERVER_ID), chainHeaders })
  expect(() => dispatcher.to('spiffe://example.org/*')).toThrow(invalid)
  expect(() => createDispatcher({ source, server: SERVER_ID, chainHeaders: 5 as never })).toThrow(
    invalid,
  )
})
