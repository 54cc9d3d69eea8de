import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { Authority, mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa } from '@fastify-spiffe/authority'
import { WorkloadApiClient, X509Source, parseEndpointAddress } from '@fastify-spiffe/workload-api'
import type { SourceStateEvent } from '@fastify-spiffe/spiffe'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { answerAll, BACKOFF, openingError, openSource } from '@fastify-spiffe-test/kit/agent-source'
import { Published } from '@fastify-spiffe-test/kit/published'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import { svidMessage } from '@fastify-spiffe-test/kit/workload-messages'
import type { SvidMessage } from '@fastify-spiffe-test/kit/workload-messages'

const WEB = 'spiffe://example.org/web'

/** Short enough for a test, and within what the options allow. */

let authority: MintedCa
let message: SvidMessage
let agent: ScriptedAgent

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  message = await svidMessage(authority, WEB)
})

beforeEach(async () => {
  agent = await ScriptedAgent.listen()
})

afterEach(async () => {
  await agent[Symbol.asyncDispose]()
})

/** Waits until the source is in a state. */
async function until(source: X509Source, state: X509Source['state']): Promise<void> {
  while (source.state !== state) await source.nextUpdate()
}

/** The milliseconds between one call and the next. */
const intervals = (): number[] =>
  agent.calls.slice(1).map(({ at }, index) => at - (agent.calls[index]?.at ?? 0))

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

/** Acts with a variable of the environment set, or not set, and puts it back. */
async function withVariable(
  value: string | undefined,
  act: () => Promise<void>,
  name = 'SPIFFE_ENDPOINT_SOCKET',
): Promise<void> {
  const before = process.env[name]
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
  try {
    await act()
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

describe('the transport', () => {
  test('rule 54: the endpoint is spoken to by gRPC without TLS, on a Unix socket', async () => {
    const { source } = await openSource(agent, message)
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
    await source.close()
  })

  test('rule 54: the endpoint is spoken to by gRPC without TLS, on TCP', async () => {
    await agent.kill()
    const port = await agent.start('127.0.0.1:0')
    const { source } = await openSource(agent, message, { address: `tcp://127.0.0.1:${port}` })
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
    await source.close()
  })

  test('rule 54: a proxy of the environment is never asked', async () => {
    let asked = 0
    const proxy = createServer((socket) => {
      asked += 1
      socket.destroy()
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const { port: proxyPort } = proxy.address() as AddressInfo
    await agent.kill()
    const port = await agent.start('127.0.0.1:0')
    const act = async (): Promise<void> => {
      const { source } = await openSource(agent, message, { address: `tcp://127.0.0.1:${port}` })
      await source.close()
    }
    await withVariable(`http://127.0.0.1:${proxyPort}`, act, 'grpc_proxy')
    expect(asked).toBe(0)
    await once(proxy.close(), 'close')
  })

  test('rule 55: every call carries the security header exactly once', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const fetches = [client.fetchX509Context(), client.fetchX509Bundles()]
    const calls = [await agent.nextCall(), await agent.nextCall()]
    calls[0]?.send(message)
    calls[1]?.send({ bundles: { 'spiffe://example.org': authority.der } })
    await Promise.all(fetches)
    expect(new Set(calls.map(({ method }) => method))).toEqual(
      new Set(['FetchX509SVID', 'FetchX509Bundles']),
    )
    for (const { header } of calls) expect(header).toEqual(['true'])
  })

  test('rule 55: a call that is made again carries the security header exactly once', async () => {
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF })
    ;(await agent.nextCall()).fail(status.UNAVAILABLE)
    const again = await agent.nextCall()
    again.send(message)
    await (await opening).close()
    expect(again.header).toEqual(['true'])
  })
})

describe('the address', () => {
  test('rule 56: without an explicit address, SPIFFE_ENDPOINT_SOCKET is used', async () => {
    await withVariable(agent.address, async () => {
      const opening = X509Source.open({ backoff: BACKOFF })
      ;(await agent.nextCall()).send(message)
      await using source = await opening
      expect(source.endpoint).toBe(agent.address)
    })
  })

  test('rule 56: an explicit address goes before SPIFFE_ENDPOINT_SOCKET', async () => {
    await withVariable('unix:///not/this/one.sock', async () => {
      const { source } = await openSource(agent, message)
      expect(source.endpoint).toBe(agent.address)
      await source.close()
    })
  })

  test.each([undefined, ''])('rule 56: with neither (%j), the error says so', async (value) => {
    await withVariable(value, async () => {
      await expect(X509Source.open()).rejects.toMatchObject({ code: 'no-endpoint' })
      expect(() => new WorkloadApiClient()).toThrow(
        expect.objectContaining({ code: 'no-endpoint' }),
      )
    })
  })

  test.each(['unix:/run/agent.sock', 'unix:///run/agent.sock'])('rule 57: %s is good', (uri) => {
    expect(parseEndpointAddress(uri)).toMatchObject({
      transport: 'unix',
      target: 'unix:///run/agent.sock',
    })
  })

  test.each([
    'unix://run/agent.sock',
    'unix:run/agent.sock',
    'unix:///run/agent.sock?a=b',
    'unix:///run/agent.sock#a',
    'unix://user@/run/agent.sock',
    'unix:',
  ])('rule 57: %s is refused, and nothing is called', async (address) => {
    await expect(X509Source.open({ address })).rejects.toMatchObject({ code: 'invalid-endpoint' })
    await withVariable(address, async () => {
      await expect(X509Source.open()).rejects.toMatchObject({ code: 'invalid-endpoint' })
    })
    expect(agent.calls).toEqual([])
  })

  test.each(['tcp://127.0.0.1:8081', 'tcp://[::1]:8081'])('rule 58: %s is good', (uri) => {
    expect(parseEndpointAddress(uri).transport).toBe('tcp')
  })

  test.each([
    'tcp://localhost:8081',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:8081/path',
    'tcp://127.0.0.1:8081/',
    'tcp://127.0.0.1:8081?a=b',
    'tcp://127.0.0.1:8081#a',
    'tcp://user@127.0.0.1:8081',
  ])('rule 58: %s is refused', async (address) => {
    await expect(X509Source.open({ address })).rejects.toMatchObject({ code: 'invalid-endpoint' })
  })

  test.each(['http://127.0.0.1:8081', 'npipe:agent', 'dns:///agent:80', '/run/agent.sock'])(
    'rule 59: %s is refused',
    async (address) => {
      await expect(X509Source.open({ address })).rejects.toMatchObject({ code: 'invalid-endpoint' })
    },
  )
})

describe('InvalidArgument', () => {
  test('rule 60: it is reported at once, and not retried', async () => {
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF })
    ;(await agent.nextCall()).fail(status.INVALID_ARGUMENT)
    await expect(opening).rejects.toMatchObject({ code: 'invalid-request' })
    expect(agent.calls).toHaveLength(1)
  })

  test('rule 60: in mid-life it ends the supply, and the last SVID serves on', async () => {
    const { source, call } = await openSource(agent, message)
    call.fail(status.INVALID_ARGUMENT)
    await until(source, 'failed')
    expect(source.error?.code).toBe('invalid-request')
    expect(source.svid?.spiffeId.toString()).toBe(WEB)

    // Time enough for a retry: another client is refused, and calls again, five times.
    const other = X509Source.open({ address: agent.address, backoff: BACKOFF })
    for (let round = 0; round < 5; round += 1) (await agent.nextCall()).fail(status.UNAVAILABLE)
    ;(await agent.nextCall()).send(message)
    await (await other).close()
    expect(agent.calls).toHaveLength(1 + 6)
    await source.close()
  })
})

describe('an endpoint that is away', () => {
  test('rule 61: Unavailable is retried', async () => {
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF })
    for (let round = 0; round < 3; round += 1) (await agent.nextCall()).fail(status.UNAVAILABLE)
    ;(await agent.nextCall()).send(message)
    await using source = await opening
    expect(source.state).toBe('ready')
  })

  test('rule 61: a socket that appears late is found', async () => {
    await agent.kill()
    const opening = X509Source.open({ address: agent.address })
    const error = await openingError({ address: agent.address })
    expect(error).toMatchObject({ code: 'unreachable' })
    await agent.start()
    ;(await agent.nextCall()).send(message)
    await using source = await opening
    expect(source.state).toBe('ready')
  })

  test('rule 61: an agent that is killed is missed, and found again when it is back', async () => {
    const { source } = await openSource(agent, message)
    const before = source.svid
    await agent.kill()
    await until(source, 'stale')
    expect(source.svid).toBe(before)
    expect(await openingError({ address: agent.address })).toMatchObject({ code: 'unreachable' })
    expect(source.state).toBe('stale')

    await agent.start()
    ;(await agent.nextCall()).send(await svidMessage(authority, WEB))
    await until(source, 'ready')
    expect(source.svid?.leaf.serialNumber).not.toBe(before?.leaf.serialNumber)
    await source.close()
  })

  test('rule 61: the last good SVID serves until it expires, and not longer', async () => {
    const notAfter = Math.floor(Date.now() / 1000) * 1000 + 30 * 60_000
    const expiring = await svidMessage(authority, WEB, { template: { notAfter } })
    // So little before the end, the source looks at the clock every few milliseconds.
    let now = notAfter - 20
    const opened = await openSource(agent, expiring, { clock: () => now })
    await using source = opened.source
    await agent.kill()
    await until(source, 'stale')
    now = notAfter
    expect([source.svid?.notAfter, source.state]).toEqual([notAfter, 'stale'])
    now = notAfter + 1
    await until(source, 'expired')
    expect(source.svid).toBeNull()
    expect(source.svids).toEqual([])

    await agent.start()
    ;(await agent.nextCall()).send(message)
    await until(source, 'ready')
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
  })

  test('rule 61: the clock, and not a timer, says when an SVID may no longer be presented', async () => {
    let now = Date.now()
    const { source } = await openSource(agent, message, { clock: () => now })
    now = source.svid?.notAfter ?? 0
    expect(source.svid).not.toBeNull()
    now += 1
    expect(source.svid).toBeNull()
    await source.close()
  })
})

describe('PermissionDenied', () => {
  test('rule 62: it is retried, because an entry may be registered later', async () => {
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF })
    for (let round = 0; round < 3; round += 1) {
      ;(await agent.nextCall()).fail(status.PERMISSION_DENIED, 'no identity issued')
    }
    ;(await agent.nextCall()).send(message)
    await using source = await opening
    expect(source.state).toBe('ready')
  })

  test('rule 62: when the time is up, the error says that no entry matches', async () => {
    void answerAll(agent, (call) => call.fail(status.PERMISSION_DENIED, 'no identity issued'))
    const error = await openingError({ address: agent.address })
    expect(error).toMatchObject({ code: 'no-identity', cause: { code: 'no-identity' } })
    expect(String(error)).toContain('no registration entry matches')
  })
})

describe('Unimplemented', () => {
  test('rule 63: it is reported at once', async () => {
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF })
    ;(await agent.nextCall()).fail(status.UNIMPLEMENTED)
    await expect(opening).rejects.toMatchObject({ code: 'unimplemented' })
    expect(agent.calls).toHaveLength(1)
  })

  test('rule 63: in mid-life it is reported, and the last SVID serves on', async () => {
    const { source, call } = await openSource(agent, message)
    call.fail(status.UNIMPLEMENTED)
    await until(source, 'stale')
    expect(source.error?.code).toBe('unimplemented')
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
    ;(await agent.nextCall()).send(message)
    await until(source, 'ready')
    await source.close()
  })
})

describe('backoff', () => {
  test('rule 64: the waits grow, and start over after a good message', async () => {
    const growing = { initialMs: 100, maxMs: 10_000 }
    const opening = X509Source.open({ address: agent.address, backoff: growing, random: () => 1 })
    for (let round = 0; round < 3; round += 1) (await agent.nextCall()).fail(status.UNAVAILABLE)
    const good = await agent.nextCall()
    good.send(message)
    const source = await opening
    good.fail(status.UNAVAILABLE)
    await agent.nextCall()
    await source.close()
    // 200, 400 and 800 ms; then 200 again, and not 1,600, also where the machine takes a second more.
    expect(sum(intervals().slice(0, -1))).toBeGreaterThan(1200)
    expect(intervals().at(-1)).toBeLessThan(1500)
  })

  test('rule 64: whatever the jitter, there are at most twenty calls a second', async () => {
    const opening = X509Source.open({ address: agent.address, random: () => 0 })
    for (let round = 0; round < 4; round += 1) (await agent.nextCall()).fail(status.UNAVAILABLE)
    ;(await agent.nextCall()).send(message)
    await (await opening).close()
    expect(sum(intervals()) / intervals().length).toBeGreaterThanOrEqual(50)
  })

  test('rule 64: streams that end at once are not opened without end', async () => {
    const opening = X509Source.open({ address: agent.address, random: () => 0 })
    for (let round = 0; round < 4; round += 1) {
      const call = await agent.nextCall()
      call.send(message)
      call.end()
    }
    await agent.nextCall()
    await (await opening).close()
    expect(sum(intervals()) / intervals().length).toBeGreaterThanOrEqual(50)
  })
})

describe('the wrong socket', () => {
  const sockets = new Set<Socket>()
  let server: Server | undefined

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    if (server?.listening === true) await once(server.close(), 'close')
  })

  async function listen(handle: (socket: Socket) => void): Promise<void> {
    await agent.kill()
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      handle(socket)
    })
    await once(server.listen(agent.socketPath), 'listening')
  }

  test('rule 61: a server that is not gRPC is distinguished from an agent', async () => {
    await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await openingError({ address: agent.address })).toMatchObject({ code: 'unreachable' })
  })

  test('rule 61: a server that says nothing ends in a timeout', async () => {
    await listen(() => {})
    const opening = X509Source.open({ address: agent.address, timeoutMs: 100 })
    await expect(opening).rejects.toMatchObject({ code: 'timeout' })
  })

  test('rule 61: an agent that says nothing ends in a timeout', async () => {
    // A busy machine may need more time to call at all.
    for (let timeoutMs = 100; agent.calls.length === 0; timeoutMs *= 4) {
      const opening = X509Source.open({ address: agent.address, timeoutMs })
      await expect(opening).rejects.toMatchObject({ code: 'timeout' })
    }
    await (
      await agent.nextCall()
    ).cancelled
  })
})

describe('a source', () => {
  test('gives up opening when its signal aborts, and lets the agent go', async () => {
    const controller = new AbortController()
    const opening = X509Source.open({ address: agent.address, signal: controller.signal })
    const call = await agent.nextCall()
    controller.abort('enough')
    await expect(opening).rejects.toMatchObject({ code: 'aborted', cause: 'enough' })
    await call.cancelled
  })

  test('does not call when its signal has aborted before', async () => {
    const opening = X509Source.open({ address: agent.address, signal: AbortSignal.abort() })
    await expect(opening).rejects.toMatchObject({ code: 'aborted' })
    expect(agent.calls).toEqual([])
  })

  test('outlives the signal that it was opened with', async () => {
    const controller = new AbortController()
    const { source, call } = await openSource(agent, message, { signal: controller.signal })
    controller.abort()
    const updated = source.nextUpdate()
    call.send(await svidMessage(authority, WEB))
    await updated
    expect(source.state).toBe('ready')
    await source.close()
  })

  test('refuses an option that it does not know', async () => {
    const options = { address: agent.address, timeout: 5 }
    await expect(X509Source.open(options)).rejects.toMatchObject({ code: 'unknown-option' })
  })

  test('ends its call and keeps what it held when it is closed, once or twice', async () => {
    const { source, call } = await openSource(agent, message)
    const waiting = source.nextUpdate().catch((error: unknown) => error)
    await Promise.all([source.close(), source.close()])
    await source.close()
    await call.cancelled
    await waiting
    expect(source.state).toBe('closed')
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
    expect(source.bundles.size).toBe(1)
    await expect(source.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
  })

  test('publishes its states, each once, without secrets', async () => {
    using published = new Published<SourceStateEvent>('spiffe:source:state', agent.address)
    const { source, call } = await openSource(agent, message)
    let updates = 0
    source.onUpdate(() => (updates += 1))
    call.send(message)
    call.fail(status.PERMISSION_DENIED)
    await until(source, 'denied')
    expect(updates).toBe(1)
    await source.close()
    const { events } = published
    expect(events.map(({ state, code }) => [state, code])).toEqual([
      ['ready', null],
      ['denied', 'no-identity'],
      ['closed', 'no-identity'],
    ])
    for (const event of events) expect(Object.isFrozen(event)).toBe(true)
  })

  test('gives its connection up when it is closed', async () => {
    const between = createServer((socket) => {
      const onward = connect(agent.socketPath)
      socket.on('close', () => onward.destroy())
      socket.pipe(onward).pipe(socket)
    })
    const address = `${agent.address}.between`
    await once(between.listen(`${agent.socketPath}.between`), 'listening')
    const connected = once(between, 'connection')
    const { source } = await openSource(agent, message, { address })
    const [socket] = await connected
    const closed = once(socket, 'close')
    await source.close()
    await closed
    await once(between.close(), 'close')
  })

  test('lets the process exit when it is closed', async () => {
    const script = `
      import { X509Source } from '@fastify-spiffe/workload-api'
      const source = await X509Source.open({ address: ${JSON.stringify(agent.address)} })
      await source.close()
      process.stdout.write('closed')
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    ;(await agent.nextCall()).send(message)
    const [exitCode] = await exited
    expect(exitCode).toBe(0)
  })
})

describe('with an authority of its own', () => {
  test('a source follows rotations, federation, denial and a restart', async () => {
    await using home = await Authority.create({ trustDomain: 'example.org' })
    await using away = await Authority.create({ trustDomain: 'other.test' })
    await using endpoint = await home.serve({ spiffeId: WEB, hint: 'internal' })
    await using source = await X509Source.open({ address: endpoint.address, backoff: BACKOFF })
    const changed = async (act: () => unknown, done: () => boolean): Promise<void> => {
      await act()
      while (!done()) await source.nextUpdate()
    }
    expect(source.svid?.hint).toBe('internal')

    const { serialNumber } = source.svid?.leaf ?? {}
    await changed(
      () => home.rotateSvids(),
      () => source.svid?.leaf.serialNumber !== serialNumber,
    )
    await changed(
      () => home.federate(away),
      () => source.bundles.get(away.trustDomain) !== undefined,
    )
    await changed(
      () => home.unfederate(away),
      () => source.bundles.get(away.trustDomain) === undefined,
    )
    await changed(
      () => endpoint.deny(),
      () => source.svid === null && source.state === 'denied',
    )
    await changed(
      () => endpoint.allow(),
      () => source.svid?.spiffeId.toString() === WEB && source.state === 'ready',
    )
    await changed(
      () => endpoint.stop(),
      () => source.state === 'stale' && source.svid !== null,
    )
    await changed(
      () => endpoint.start(),
      () => source.state === 'ready',
    )
  })
})
