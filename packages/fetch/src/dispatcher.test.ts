import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, matchAny } from '@fastify-spiffe/spiffe'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { codedErrorOf } from './index.ts'
import {
  bundlesOf,
  callerOf,
  openScene,
  Opened,
  PlainServer,
  SERVER_ID,
  TestServer,
  WEB_ID,
  ways,
  type Scene,
} from './scene.test.helper.ts'

let scene: Scene
let web: ScriptedSource
/** With the code of its refusal, and the bundles of the client. */
let evils: readonly [string, MintedCertificate, BundleSet][]

beforeAll(async () => {
  scene = await openScene()
  web = await scene.newClient()
  const { authority } = scene
  const other = await mintRootCa('other.test')
  const own = bundlesOf(authority)
  const both = bundlesOf(authority, other)
  const past = { notAfter: Date.now() - 1 }
  evils = [
    ['server-not-allowed', await authority.mint('spiffe://example.org/evil'), both],
    ['server-refused: no-path', await other.mint(SERVER_ID), both],
    ['server-refused: unknown-trust-domain', await other.mint('spiffe://other.test/server'), own],
    ['server-refused: expired', await authority.mint(SERVER_ID, past), both],
  ]
})

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const coded = codedErrorOf(error)
  if (coded === undefined) return String(error)
  return 'rejection' in coded && coded.rejection !== undefined
    ? `${coded.code}: ${coded.rejection}`
    : coded.code
}

describe.each(ways)('$title', ({ fetch, options, http2 }) => {
  test('presents the SVID to a server that proves the SPIFFE ID, and sends a body', async () => {
    await using server = await TestServer.serve(scene.server, (request, response) => {
      response.setHeader('x-version', request.httpVersion)
      response.setHeader('x-caller', callerOf(request).spiffeId.toString())
      request.pipe(response)
    })
    await using opened = new Opened({ ...options, source: web, server: SERVER_ID })
    const init = { method: 'POST', body: 'a body' }
    const response = await fetch(opened.dispatcher, server.origin, init)
    expect(await response.text()).toBe('a body')
    expect(response.headers.get('x-version')).toBe(http2 ? '2.0' : '1.1')
    expect(response.headers.get('x-caller')).toBe(WEB_ID)
  })

  test('sends 0 bytes to a wrong server, also of many requests at once', async () => {
    for (const [code, material, bundles] of evils) {
      await using server = await TestServer.serveEvil(material)
      const source = new ScriptedSource(web.svid, bundles)
      await using opened = new Opened({ ...options, source, server: SERVER_ID })
      const init = { method: 'POST', body: 'x'.repeat(10_000) }
      const requests = Array.from({ length: 6 }, () =>
        codeOf(fetch(opened.dispatcher, server.origin, init)),
      )
      expect(new Set(await Promise.all(requests))).toEqual(new Set([code]))
      expect(server.bytes).toBe(0)
    }
  })

  test('sends 0 requests over a kept connection whose server lost its authority', async () => {
    await using server = await TestServer.serve(scene.server)
    const source = await scene.newClient()
    await using opened = new Opened({ ...options, source, server: SERVER_ID })
    await (await fetch(opened.dispatcher, server.origin)).text()
    expect([server.requests, server.connections]).toEqual([1, 1])
    source.set(source.svid, BundleSet.empty)
    expect(await codeOf(fetch(opened.dispatcher, server.origin))).toBe(
      'server-refused: unknown-trust-domain',
    )
    expect(server.requests).toBe(1)
    source.set(source.svid, bundlesOf(scene.authority))
    await (await fetch(opened.dispatcher, server.origin)).text()
    expect(server.requests).toBe(2)
  })

  test('never resumes a session, of which its server gives away plenty', async () => {
    const good = await scene.authority.mint(SERVER_ID)
    const reused: boolean[] = []
    await using server = await TestServer.serveEvil(good, {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
    })
    server.onConnection((socket) => {
      reused.push(socket.isSessionReused())
      socket.once('data', () => socket.destroy(new Error('enough')))
    })
    const given = { source: web, server: SERVER_ID, minVersion: 'TLSv1.2' } as const
    await using opened = new Opened({ ...options, ...given })
    for (let round = 0; round < 3; round++) {
      await fetch(opened.dispatcher, server.origin).catch(() => undefined)
    }
    expect(reused.length).toBeGreaterThanOrEqual(3)
    expect(reused).not.toContain(true)
  })

  test('follows a redirect to a server that the authorizer admits, and to no other', async () => {
    const evilMaterial = await scene.authority.mint('spiffe://example.org/evil')
    await using evil = await TestServer.serveEvil(evilMaterial)
    await using target = await TestServer.serve(scene.server)
    let plainRequests = 0
    await using plain = await PlainServer.serve(() => plainRequests++)
    const locations = [target.origin, evil.origin, plain.origin]
    await using server = await TestServer.serve(scene.server, (request, response) => {
      response.writeHead(307, { location: locations[Number(request.url?.slice(1))] ?? '' }).end()
    })
    await using opened = new Opened({ ...options, source: web, server: SERVER_ID })
    const { dispatcher } = opened
    const serial = web.svid?.leaf.serialNumber
    expect(await (await fetch(dispatcher, `${server.origin}/0`)).text()).toBe(serial)
    expect(await codeOf(fetch(dispatcher, `${server.origin}/1`))).toBe('server-not-allowed')
    expect(await codeOf(fetch(dispatcher, `${server.origin}/2`))).toBe('not-https')
    expect(await codeOf(fetch(dispatcher, plain.origin))).toBe('not-https')
    expect([evil.bytes, plainRequests]).toEqual([0, 0])
  })

  test('fails with no-svid while the source has none, and recovers when it has one', async () => {
    await using server = await TestServer.serve(scene.server)
    const source = new ScriptedSource(null, bundlesOf(scene.authority))
    await using opened = new Opened({ ...options, source, server: matchAny() })
    expect(await codeOf(fetch(opened.dispatcher, server.origin))).toBe('no-svid')
    source.set(web.svid, source.bundles)
    expect((await fetch(opened.dispatcher, server.origin)).status).toBe(200)
    // Withdrawn: the connection that presented it is not used either.
    source.set(null, source.bundles)
    expect(await codeOf(fetch(opened.dispatcher, server.origin))).toBe('no-svid')
    expect(server.requests).toBe(1)
  })
})
