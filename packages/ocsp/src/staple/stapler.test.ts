import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { revoked, UNKNOWN } from '@fastify-spiffe-test/kit/ocsp-responses'
import { TestResponder, WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { handshake, ManualTime, TlsServer } from '../handshake.test.helper.ts'
import type { OcspOptions } from '../options.ts'
import { OcspStapler } from './stapler.ts'

const HOUR = 3_600_000

let ca: WebCa
let web: WebCertificate
let events: { name: string; event: Record<string, unknown> }[]

const NAMES = [
  'refreshed',
  'refresh-failed',
  'revoked',
  'staple-lost',
  'not-followed',
  'store-failed',
].map((name) => `spiffe:ocsp:${name}`)

function record(event: unknown, name: string | symbol): void {
  const { serialNumber } = event as { serialNumber?: string }
  if (serialNumber !== undefined && serialNumber !== web.certificate.serialNumber) return
  const short = String(name).replace('spiffe:ocsp:', '')
  events.push({ name: short, event: event as Record<string, unknown> })
}

const names = (): string[] => events.map(({ name }) => name)

beforeAll(async () => {
  ca = await WebCa.make()
})

beforeEach(async () => {
  web = await ca.mint()
  events = []
  for (const name of NAMES) subscribe(name, record)
})

afterEach(() => {
  for (const name of NAMES) unsubscribe(name, record)
})

interface Parts extends AsyncDisposable {
  readonly responder: TestResponder
  readonly stapler: OcspStapler
  readonly time: ManualTime
}

/** A stapler on a responder that says good, where the test says nothing else. */
async function open(
  options: Partial<OcspOptions> & { answering?: TestResponder['answering'] } = {},
): Promise<Parts> {
  const { answering = () => web.answer(), ...rest } = options
  const time = new ManualTime()
  const responder = await TestResponder.serve(answering)
  const stapler = await OcspStapler.open({
    certificate: web.cert,
    responderUrl: responder.url,
    clock: time.clock,
    setTimer: time.setTimer,
    random: () => 0.5,
    ...rest,
  })
  const dispose = async (): Promise<void> => {
    await stapler.close()
    await responder[Symbol.asyncDispose]()
  }
  return { responder, stapler, time, [Symbol.asyncDispose]: dispose }
}

/** Runs the next timer, and waits for what it starts. */
async function next({ stapler, time }: Parts): Promise<void> {
  time.runNext()
  await stapler.refresh()
}

describe('a staple', () => {
  test('is there before the first handshake, in TLS 1.2 and 1.3', async () => {
    const response = web.answer()
    await using parts = await open({ answering: () => response })
    await using server = await TlsServer.serve(web)
    parts.stapler.attach(server.server)
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { staple, protocol } = await handshake(server.port, { maxVersion })
      expect(protocol).toBe(maxVersion)
      expect(staple?.equals(response)).toBe(true)
    }
    expect(parts.responder.requests).toHaveLength(1)
    expect(parts.stapler.staples).toMatchObject([
      { stapled: true, status: 'good', mustStaple: false, lastFailure: null },
    ])
    expect(names()).toEqual(['refreshed'])
  })

  test('is renewed at half of its lifetime, and the old one serves until the new one is there', async () => {
    await using parts = await open()
    const { time, stapler } = parts
    // From an hour ago to an hour from now: half of it is now, so that half of what is left is waited for.
    expect(time.nextDelay).toBeGreaterThan(0.45 * HOUR)
    expect(time.nextDelay).toBeLessThan(0.55 * HOUR)
    const first = stapler.staples[0]!
    parts.responder.answering = () =>
      web.answer({ thisUpdate: time.now - 1000, nextUpdate: time.now + 10 * HOUR })
    time.runNext()
    expect(stapler.staples[0]).toMatchObject({ stapled: true, nextUpdate: first.nextUpdate })
    await stapler.refresh()
    expect(stapler.staples[0]!.nextUpdate).toBeGreaterThan(first.nextUpdate!)
    expect(time.nextDelay).toBeGreaterThan(4.9 * HOUR)
    expect(time.nextDelay).toBeLessThan(5.1 * HOUR)
  })

  test('stays the last good one until its next update when the responder is down, and then there is none', async () => {
    await using parts = await open()
    const { stapler, time } = parts
    await using server = await TlsServer.serve(web)
    stapler.attach(server.server)
    parts.responder.answering = (_request, response) => void response.destroy()
    const end = stapler.staples[0]!.nextUpdate!
    while (time.now <= end) {
      expect((await handshake(server.port)).staple).not.toBeNull()
      await next(parts)
    }
    expect((await handshake(server.port)).staple).toBeNull()
    expect(stapler.staples).toMatchObject([
      { stapled: false, lastFailure: { code: 'unreachable' } },
    ])
    expect(names().filter((name) => name === 'staple-lost')).toHaveLength(1)
    parts.responder.answering = () =>
      web.answer({ thisUpdate: time.now, nextUpdate: time.now + HOUR })
    await next(parts)
    expect((await handshake(server.port)).staple).not.toBeNull()
  })

  test('is asked for again after a failure ever more slowly, up to an hour', async () => {
    await using parts = await open({ answering: (_, response) => void response.destroy() })
    const delays: number[] = []
    for (let round = 0; round < 10; round += 1) {
      delays.push(parts.time.nextDelay)
      await next(parts)
    }
    expect(delays[0]).toBe(22_500)
    expect(delays.slice(1, 3).every((delay, index) => delay > delays[index]!)).toBe(true)
    expect(delays.at(-1)).toBe(0.75 * HOUR)
  })
})

describe('an answer that is not good', () => {
  test('revoked is loud, and staples nothing: neither it nor the good one before', async () => {
    await using parts = await open()
    await using server = await TlsServer.serve(web)
    parts.stapler.attach(server.server)
    const at = Date.now() - 60_000
    parts.responder.answering = () => web.answer({ status: revoked(at, 1), thisUpdate: Date.now() })
    await parts.stapler.refresh()
    expect((await handshake(server.port)).staple).toBeNull()
    expect(names()).toEqual(['refreshed', 'refreshed', 'revoked', 'staple-lost'])
    expect(events[2]!.event).toMatchObject({ cause: 'keyCompromise' })
    await parts.stapler.refresh()
    expect(names().filter((name) => name === 'revoked')).toHaveLength(1)
    expect(parts.stapler.staples).toMatchObject([{ status: 'revoked', stapled: false }])
  })

  test('revoked is stapled by an option', async () => {
    await using parts = await open({
      answering: () => web.answer({ status: revoked(Date.now() - 60_000) }),
      stapleRevoked: true,
    })
    expect(parts.stapler.staples).toMatchObject([{ status: 'revoked', stapled: true }])
  })

  test('good that is older than revoked is a replay, and is not taken', async () => {
    const now = Date.now()
    const old = web.answer({ thisUpdate: now - HOUR })
    await using parts = await open({
      answering: () => web.answer({ status: revoked(now), thisUpdate: now - 1000 }),
    })
    parts.responder.answering = () => old
    await parts.stapler.refresh()
    expect(parts.stapler.staples).toMatchObject([
      { status: 'revoked', lastFailure: { code: 'older-answer' } },
    ])
  })

  test('unknown leaves the good one in use', async () => {
    await using parts = await open()
    parts.responder.answering = () => web.answer({ status: UNKNOWN })
    await parts.stapler.refresh()
    expect(parts.stapler.staples).toMatchObject([
      { stapled: true, status: 'good', lastFailure: { code: 'certificate-unknown' } },
    ])
  })

  test.each<[string, string, TestResponder['answering']]>([
    ['an answer for another certificate', 'no-match', async () => (await ca.mint()).answer()],
    ['a page', 'unexpected-type', (_, response) => void response.end('<html>')],
    ['a page that calls itself an answer', 'malformed', () => Buffer.from('<html>')],
    ['nothing', 'malformed', () => Buffer.alloc(0)],
    ['500', 'unexpected-status', (_, response) => void response.writeHead(500).end()],
    [
      'a redirect',
      'unexpected-status',
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    ],
    ['a megabyte', 'too-large', () => Buffer.alloc(1_000_000)],
    [
      'half of an answer',
      'unreachable',
      (_, response) => {
        response.writeHead(200, {
          'content-type': 'application/ocsp-response',
          'content-length': 1000,
        })
        response.write('half')
        setImmediate(() => response.destroy())
        return undefined
      },
    ],
  ])('%s is refused with %s', async (_, code, answering) => {
    await using parts = await open({ answering })
    expect(parts.stapler.staples).toMatchObject([{ stapled: false, lastFailure: { code } }])
    expect(names()).toEqual(['refresh-failed'])
  })

  test('a responder that never stops to send is cut off', async () => {
    let sent = 0
    const answering: TestResponder['answering'] = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/ocsp-response' })
      const chunk = Buffer.alloc(16_384)
      const send = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', send).on('error', () => undefined)
      send()
      return undefined
    }
    await using parts = await open({ answering })
    expect(parts.stapler.staples).toMatchObject([{ lastFailure: { code: 'too-large' } }])
    expect(sent).toBeLessThan(50_000_000)
  })
})

describe('a slow responder', () => {
  test('delays no handshake: there is no staple yet', async () => {
    await using parts = await opened({ answering: () => undefined })
    await using server = await TlsServer.serve(web)
    parts.stapler.attach(server.server)
    expect((await handshake(server.port)).staple).toBeNull()
    // The start has waited for `startTimeoutMs`, and the query runs until `timeoutMs`.
    parts.time.runNext()
    await parts.stapler.refresh().catch(() => undefined)
    expect(parts.stapler.staples).toMatchObject([{ lastFailure: { code: 'timeout' } }])
  })

  test('that answers after the start is heard', async () => {
    let respond!: () => void
    const ready = new Promise<void>((resolve) => (respond = resolve))
    const answering = async (): Promise<Buffer> => {
      await ready
      return web.answer()
    }
    await using parts = await opened({ answering })
    expect(parts.stapler.staples).toMatchObject([{ stapled: false }])
    respond()
    await parts.stapler.refresh()
    expect(parts.stapler.staples).toMatchObject([{ stapled: true }])
  })
})

/** {@link open} for a responder that does not answer in the time of the start. */
async function opened(options: Parameters<typeof open>[0]): Promise<Parts> {
  const time = new ManualTime()
  const opening = open({ ...options, setTimer: time.setTimer, clock: time.clock })
  // The timers of the query and of the start.
  while (time.pending < 2) await new Promise((resolve) => setImmediate(resolve))
  time.runNext()
  const parts = await opening
  return { ...parts, time, [Symbol.asyncDispose]: parts[Symbol.asyncDispose] }
}
