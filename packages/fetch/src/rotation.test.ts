import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { BundleSet, matchAny, RevocationList, X509Bundle } from '@fastify-spiffe/spiffe'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { upgrade } from 'undici'
import { codedErrorOf } from './index.ts'
import {
  bundlesOf,
  callerOf,
  openScene,
  Opened,
  SERVER_ID,
  TestServer,
  ways,
  type AnyResponse,
  type Scene,
} from './scene.test.helper.ts'

let scene: Scene

beforeAll(async () => {
  scene = await openScene()
})

/** Timers that fire when the test says so. */
class ManualTimers {
  readonly #tasks = new Map<() => void, number>()

  readonly set = (task: () => void, delayMs: number): (() => void) => {
    const entry = (): void => task()
    this.#tasks.set(entry, delayMs)
    return () => this.#tasks.delete(entry)
  }

  get delays(): number[] {
    return [...this.#tasks.values()]
  }

  fire(delayMs: number): void {
    for (const [task, delay] of this.#tasks) {
      if (delay !== delayMs) continue
      this.#tasks.delete(task)
      task()
    }
  }
}

/** A server whose answers begin at once and end when the test says so. */
class Paused {
  readonly responses: AnyResponse[] = []

  readonly handler = (request: Parameters<typeof callerOf>[0], response: AnyResponse): void => {
    const writable: Writable = response
    response.writeHead(200)
    writable.write(`${callerOf(request).serialNumber} `)
    this.responses.push(response)
  }

  end(): void {
    for (const response of this.responses.splice(0)) response.end('end')
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

async function failureOf(promise: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  return codedErrorOf(error)?.code ?? String(error)
}

describe.each(ways)('$title', ({ fetch, options }) => {
  test('loses no request under rotations, and sends none with an SVID that was replaced', async () => {
    const ROTATIONS = 4
    await using server = await TestServer.serve(scene.server)
    const source = await scene.newClient()
    await using opened = new Opened({ ...options, source, server: SERVER_ID })
    const serials = [source.svid?.leaf.serialNumber]
    const svids = await Promise.all(Array.from({ length: ROTATIONS }, () => scene.mintWeb()))
    const over = new AbortController()
    const work = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const atStart = serials.length - 1
        const response = await fetch(opened.dispatcher, server.origin, {
          method: 'POST',
          body: 'x',
        })
        expect(serials.indexOf(await response.text())).toBeGreaterThanOrEqual(atStart)
      }
    }
    const workers = Promise.all(Array.from({ length: 3 }, work))
    for (const svid of svids) {
      const before = server.requests
      while (server.requests < before + 6) await nextTurn()
      serials.push(svid.leaf.serialNumber)
      source.set(svid, source.bundles)
    }
    over.abort()
    await workers
  })

  test('lets a running request end on the old SVID, and ends it at the deadline', async () => {
    const paused = new Paused()
    await using server = await TestServer.serve(scene.server, paused.handler)
    const source = await scene.newClient()
    const timers = new ManualTimers()
    const given = { source, server: SERVER_ID, setTimer: timers.set, rotationGraceMs: 12_345 }
    await using opened = new Opened({ ...options, ...given })
    const before = source.svid
    const first = await fetch(opened.dispatcher, server.origin)
    source.set(await scene.mintWeb(), source.bundles)
    const second = await fetch(opened.dispatcher, server.origin)
    paused.end()
    expect(await first.text()).toBe(`${before?.leaf.serialNumber} end`)
    expect(await second.text()).toBe(`${source.svid?.leaf.serialNumber} end`)

    const late = await fetch(opened.dispatcher, server.origin)
    source.set(await scene.mintWeb(), source.bundles)
    expect(timers.delays).toContain(12_345)
    timers.fire(12_345)
    expect(await failureOf(late.text())).toBe('connection-retired')
    while (server.open > 0) await nextTurn()
  })

  test('closes the connections to a server whose authority is gone, and gives its requests graceMs', async () => {
    const paused = new Paused()
    await using server = await TestServer.serve(scene.server, paused.handler)
    const source = await scene.newClient()
    const timers = new ManualTimers()
    const given = { source, server: SERVER_ID, setTimer: timers.set, graceMs: 777 }
    await using opened = new Opened({ ...options, ...given })
    const idle = await fetch(opened.dispatcher, server.origin)
    paused.end()
    await idle.text()
    const running = await fetch(opened.dispatcher, server.origin)
    source.set(source.svid, bundlesOf())
    timers.fire(777)
    expect(await failureOf(running.text())).toBe('connection-retired')
    while (server.open > 0) await nextTurn()
    expect(timers.delays).toEqual([])
  })
})

test('drops the connections to a server whose SVID expires, without another request', async () => {
  let now = Date.now()
  const clock = (): number => now
  const timers = new ManualTimers()
  const svid = (await scene.authority.mint(SERVER_ID, { notAfter: now + 30_000 })).toX509Svid()
  await using server = await TestServer.serve(new ScriptedSource(svid, bundlesOf(scene.authority)))
  const source = await scene.newClient()
  await using opened = new Opened({ source, server: SERVER_ID, clock, setTimer: timers.set })
  await (await opened.dispatcher.fetch(server.origin)).text()
  const [delay = 0] = timers.delays
  expect(delay).toBeGreaterThan(25_000)
  expect(delay).toBeLessThanOrEqual(30_000)
  now = svid.notAfter + 1
  timers.fire(delay)
  while (server.open > 0) await nextTurn()
  expect(await failureOf(opened.dispatcher.fetch(server.origin))).toBe('server-refused')
  expect(server.requests).toBe(1)
})

test('does not send to an expired server when its timer is late', async () => {
  let now = Date.now()
  const svid = (await scene.authority.mint(SERVER_ID, { notAfter: now + 30_000 })).toX509Svid()
  await using server = await TestServer.serve(new ScriptedSource(svid, bundlesOf(scene.authority)))
  const source = await scene.newClient()
  const never = { clock: () => now, setTimer: new ManualTimers().set }
  await using opened = new Opened({ source, server: SERVER_ID, ...never })
  await (await opened.dispatcher.fetch(server.origin)).text()
  now = svid.notAfter + 1
  expect(await failureOf(opened.dispatcher.fetch(server.origin))).toBe('server-refused')
  expect(server.requests).toBe(1)
})

test('drops the connections to a server that a revocation list names', async () => {
  const { authority } = scene
  const minted = await authority.mint(SERVER_ID)
  await using server = await TestServer.serve(
    new ScriptedSource(minted.toX509Svid(), bundlesOf(authority)),
  )
  const source = await scene.newClient()
  await using opened = new Opened({ source, server: SERVER_ID })
  await (await opened.dispatcher.fetch(server.origin)).text()
  const revoked = [minted.toX509Svid().leaf.serialNumber]
  const list = RevocationList.fromDer(await authority.mintRevocationList({ revoked }))
  const bundle = X509Bundle.of(authority.trustDomain, [authority.certificate], [list])
  source.set(source.svid, BundleSet.of(bundle))
  while (server.open > 0) await nextTurn()
  expect(await failureOf(opened.dispatcher.fetch(server.origin))).toBe('server-refused')
  expect(server.requests).toBe(1)
})

test('does not send the requests that wait for a place to a server whose authority is gone', async () => {
  const paused = new Paused()
  await using server = await TestServer.serve(scene.server, paused.handler)
  const source = await scene.newClient()
  const pool = { connections: 1 }
  await using opened = new Opened({ source, server: matchAny(), pool })
  const running = await opened.dispatcher.fetch(server.origin)
  const waiting = [opened.dispatcher.fetch(server.origin), opened.dispatcher.fetch(server.origin)]
  const failures = Promise.all([running.text(), ...waiting].map(failureOf))
  source.set(source.svid, bundlesOf())
  paused.end()
  expect(await failures).toEqual(['connection-retired', 'server-refused', 'server-refused'])
  expect(server.requests).toBe(1)
})

test('ends an upgraded connection by the same deadlines as a request', async () => {
  await using server = await TestServer.serve(scene.server)
  server.onUpgrade((socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const source = await scene.newClient()
  const renewal = [await scene.mintWeb(), source.bundles] as const
  for (const [option, delayMs, [svid, bundles]] of [
    ['rotationGraceMs', 4321, renewal],
    ['graceMs', 1234, [renewal[0], bundlesOf()]],
  ] as const) {
    const timers = new ManualTimers()
    const given = { source, server: SERVER_ID, setTimer: timers.set, [option]: delayMs }
    await using opened = new Opened(given)
    const { dispatcher } = opened
    const { socket } = await upgrade(server.origin, { dispatcher, protocol: 'x' })
    source.set(svid, bundles)
    expect(socket.destroyed).toBe(false)
    const failed = once(socket, 'error')
    timers.fire(delayMs)
    expect(await failed).toMatchObject([{ code: 'connection-retired' }])
  }
})

test('leaves the connections to other servers alone when one has lapsed', async () => {
  let now = Date.now()
  const short = (await scene.authority.mint(SERVER_ID, { notAfter: now + 30_000 })).toX509Svid()
  await using lapsing = await TestServer.serve(
    new ScriptedSource(short, bundlesOf(scene.authority)),
  )
  await using lasting = await TestServer.serve(scene.server)
  const source = await scene.newClient()
  await using opened = new Opened({ source, server: SERVER_ID, clock: () => now })
  for (const { origin } of [lapsing, lasting]) await (await opened.dispatcher.fetch(origin)).text()
  now = short.notAfter + 1
  expect(await failureOf(opened.dispatcher.fetch(lapsing.origin))).toBe('server-refused')
  await (await opened.dispatcher.fetch(lasting.origin)).text()
  expect(lasting.connections).toBe(1)
})
