import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { isRepeated } from './header-values.ts'
import { hostOf } from './host.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A service that answers with the host that it reads, and with the one that its handlers see. */
async function listening(options: { http2?: true; trustProxy?: true } = {}): Promise<number> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- HTTP/2 has types of its own
  const app = Fastify(options as object)
  closing.push(() => app.close())
  app.get('/', (request) => ({
    host: hostOf(request) === undefined ? 'none' : hostOf(request),
    seen: request.hostname,
    isRepeated: isRepeated(request, 'x-tenant'),
    hasCookies: isRepeated(request, 'cookie'),
  }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

interface Answer {
  readonly host: string | null
  readonly seen: string
  readonly isRepeated: boolean
  readonly hasCookies: boolean
}

async function ask(lines: readonly string[], options: { trustProxy?: true } = {}): Promise<Answer> {
  const socket = connect(await listening(options), '127.0.0.1')
  closing.push(() => socket.destroy())
  socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
  const answer = await text(socket)
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as Answer
}

async function askHttp2(headers: Record<string, string>): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${await listening({ http2: true })}`)
  closing.push(() => session.destroy())
  const stream = session.request({
    ':path': '/',
    cookie: ['a=1', 'b=2'],
    'x-tenant': ['acme', 'globex'],
    ...headers,
  })
  await once(stream, 'response')
  return JSON.parse(await text(stream)) as Answer
}

describe('the host of a request', () => {
  test.each([
    ['GET / HTTP/1.1', ['Host: acme.svc'], 'acme.svc'],
    ['GET / HTTP/1.1', ['Host: acme.svc:8443'], 'acme.svc'],
    ['GET / HTTP/1.1', ['Host: ACME.svc'], 'ACME.svc'],
    ['GET / HTTP/1.1', ['Host: [::1]:8443'], '[::1]'],
    ['GET / HTTP/1.1', ['Host: 127.0.0.1'], '127.0.0.1'],
    ['GET http://acme.svc/ HTTP/1.1', ['Host: acme.svc'], 'acme.svc'],
    ['GET / HTTP/1.0', [], 'none'],
  ])('is that of %s %j: %s', async (line, headers, host) => {
    expect((await ask([line, ...headers])).host).toBe(host)
  })

  test.each([
    ['GET http://globex.svc/ HTTP/1.1', ['Host: acme.svc']],
    ['GET HTTP://acme.svc@globex.svc/ HTTP/1.1', ['Host: acme.svc']],
    ['GET http://acme.svc:8443/ HTTP/1.1', ['Host: acme.svc']],
    ['GET http://ACME.svc/ HTTP/1.1', ['Host: acme.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc', 'Host: globex.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc', 'hOST: acme.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc:x@globex.svc']],
    ['GET / HTTP/1.1', [String.raw`Host: acme.svc\@globex.svc`]],
    ['GET / HTTP/1.1', ['Host: acme.svc/globex.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc, globex.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc globex.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc#globex.svc']],
    ['GET / HTTP/1.1', ['Host: acme%2esvc']],
    ['GET / HTTP/1.1', ['Host: acm\u00e9.svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc.']],
    ['GET / HTTP/1.1', ['Host: .svc']],
    ['GET / HTTP/1.1', ['Host: acme..svc']],
    ['GET / HTTP/1.1', ['Host: acme.svc:']],
    ['GET / HTTP/1.1', ['Host: acme.svc:80:90']],
    ['GET / HTTP/1.1', ['Host: [::1%25eth0]']],
    ['GET / HTTP/1.1', ['Host:']],
  ])('is none where it may be several: %s %j', async (line, headers) => {
    expect((await ask([line, ...headers])).host).toBeNull()
  })

  test.each<[string[], string | null]>([
    [['X-Forwarded-Host: acme.svc'], 'acme.svc'],
    [['X-Forwarded-Host: acme.svc, globex.svc'], null],
    [['X-Forwarded-Host: globex.svc', 'X-Forwarded-Host: acme.svc'], null],
    [['X-Forwarded-Host: a@acme.svc'], null],
    [['X-Forwarded-Host: acme.svc', 'Host: other'], null],
  ])('is what a trusted proxy says, once: %j', async (headers, host) => {
    const lines = ['GET / HTTP/1.1', 'Host: internal.svc', ...headers]
    const answer = await ask(lines, { trustProxy: true })
    expect(answer.host).toBe(host)
    if (host !== null) expect(answer.seen).toBe(host)
  })

  test('is not what a caller says by the header of proxies', async () => {
    const lines = ['GET / HTTP/1.1', 'Host: acme.svc', 'X-Forwarded-Host: globex.svc']
    expect(await ask(lines)).toMatchObject({ host: 'acme.svc', seen: 'acme.svc' })
  })

  test.each<[Record<string, string>, string | null]>([
    [{ ':authority': 'acme.svc:1' }, 'acme.svc'],
    [{ ':authority': 'acme.svc', host: 'acme.svc' }, 'acme.svc'],
    [{ ':authority': 'globex.svc', host: 'acme.svc' }, null],
  ])('over HTTP/2, of %j, is %s', async (headers, host) => {
    expect(await askHttp2(headers)).toMatchObject({ host, isRepeated: true, hasCookies: false })
  })

  test('over HTTP/2 is none with a user before it, where Node does not refuse that by itself', async () => {
    const outcome: unknown = await askHttp2({ ':authority': 'a@acme.svc' }).then(
      ({ host }) => host,
      ({ code }: NodeJS.ErrnoException) => code,
    )
    expect([null, 'ERR_HTTP2_STREAM_ERROR']).toContain(outcome)
  })
})

test('a header that stands twice is seen, whatever its case', async () => {
  const lines = ['GET / HTTP/1.1', 'Host: a', 'X-Tenant: acme']
  expect((await ask(lines)).isRepeated).toBe(false)
  expect((await ask([...lines, 'x-TENANT: globex'])).isRepeated).toBe(true)
  expect((await ask([...lines, 'Cookie: a=1', 'cookie: a=2'])).hasCookies).toBe(true)
})
