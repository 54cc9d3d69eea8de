import { once } from 'node:events'
import http2 from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { listen } from '../client.test.helper.ts'
import { peer, type Peer, type PeerJwtOptions } from '../index.ts'
import { AUDIENCE, TokenIssuer, WEB } from '../issuer.test.helper.ts'
import { injectAs } from '../test-kit/index.ts'

const issuer = new TokenIssuer()

interface Line {
  readonly reason?: string
  readonly code?: string
  readonly spiffeId?: string
}

/** An application whose only proof is a token, and what it logs, headers of requests included. */
class Service implements AsyncDisposable {
  readonly written: string[] = []
  readonly app: FastifyInstance

  private constructor() {
    const stream = { write: (line: string) => void this.written.push(line) }
    const serializers = {
      req: ({ headers, raw }: { headers: object; raw: { rawHeaders: string[] } }) => ({
        headers,
        raw: raw.rawHeaders,
      }),
    }
    this.app = Fastify({ logger: { level: 'info', stream, serializers } }) as never
  }

  static async start(jwt: Partial<PeerJwtOptions> = {}, clock = Date.now): Promise<Service> {
    const service = new Service()
    const options = { audience: AUDIENCE, source: issuer, ...jwt }
    await service.app.register(peer, { jwt: options, clock })
    service.app.all('/', (request) => String(request.spiffeId))
    return service
  }

  get lines(): readonly Line[] {
    return this.written.map((line) => JSON.parse(line))
  }

  /** Sends a request with these headers `Authorization`, and tells the status, the challenge and the code in the log. */
  async ask(...authorization: readonly string[]) {
    const headers: Record<string, string | string[]> =
      authorization.length === 0 ? {} : { authorization: [...authorization] }
    const before = this.written.length
    const answer = await this.app.inject({ url: '/', headers })
    const refusal = this.lines.slice(before).find(({ reason }) => reason !== undefined)
    return {
      status: answer.statusCode,
      body: answer.body,
      challenge: answer.headers['www-authenticate'],
      code: refusal?.code,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.app.close()
  }
}

const REFUSED = { status: 401, challenge: 'Bearer error="invalid_token"' }

describe('a request with a token', () => {
  test('has the caller that the token names, the same frozen object each time', async () => {
    await using service = await Service.start()
    const peers: (Peer | null)[] = []
    service.app.get('/peer', (request) => {
      peers.push(request.peer)
      return 'ok'
    })
    const token = issuer.token({ scope: 'a' })
    for (const scheme of ['Bearer', 'bearer', 'BEARER  ']) {
      const headers = { authorization: `${scheme} ${token}` }
      expect((await service.app.inject({ url: '/peer', headers })).statusCode).toBe(200)
    }
    expect(peers[0]).toMatchObject({
      proof: 'jwt-svid',
      audience: [AUDIENCE],
      claims: { sub: WEB, scope: 'a' },
      fingerprint256: null,
      serialNumber: null,
      subjectAltNames: null,
    })
    expect(String(peers[0]?.spiffeId)).toBe(WEB)
    expect(Object.isFrozen(peers[0])).toBe(true)
    expect(new Set(peers).size).toBe(1)
  })

  test('is let in without the token as nobody, and so with another scheme, whose value stays', async () => {
    await using service = await Service.start()
    service.app.get('/header', ({ headers }) => String(headers.authorization))
    expect(await service.ask()).toMatchObject({ status: 200, body: 'null' })
    for (const value of ['Basic YTpi', 'Bearers x', 'DPoP x', 'Basic YTpi, Bearer x', '']) {
      expect(await service.ask(value)).toMatchObject({ status: 200, body: 'null' })
      const answer = await service.app.inject({ url: '/header', headers: { authorization: value } })
      expect(answer.body).toBe(value)
    }
  })

  test.each<[string, readonly string[], string]>([
    ['two headers', ['Bearer TOKEN', 'Bearer TOKEN'], 'malformed-header'],
    ['two headers, the first of another scheme', ['Basic x', 'Bearer TOKEN'], 'malformed-header'],
    ['two headers, the last of another scheme', ['Bearer TOKEN', 'Basic x'], 'malformed-header'],
    ['two tokens with a comma', ['Bearer TOKEN, Bearer TOKEN'], 'malformed-header'],
    ['a comma at its end', ['Bearer TOKEN,'], 'malformed-header'],
    ['two tokens with a space', ['Bearer TOKEN TOKEN'], 'malformed-header'],
    ['the scheme alone', ['Bearer'], 'malformed-header'],
    ['an empty token', ['Bearer '], 'malformed-header'],
    ['a tab before it', ['Bearer\tTOKEN'], 'malformed-header'],
    ['a space after it', ['Bearer TOKEN '], 'malformed-header'],
    ['a NUL in it', ['Bearer TOKEN\0'], 'malformed-header'],
    ['a line end in it', ['Bearer TOKEN\r\nx: y'], 'malformed-header'],
    ['quotes around it', ['Bearer "TOKEN"'], 'malformed-header'],
    ['a parameter', ['Bearer token=TOKEN'], 'malformed-header'],
    ['another alphabet', ['Bearer \u0442oken'], 'malformed-header'],
    ['padding', ['Bearer TOKEN=='], 'malformed'],
    ['something that is no token', ['Bearer abc'], 'malformed'],
    ['the scheme twice', ['Bearer Bearer'], 'malformed'],
    ['too many octets', [`Bearer ${'x'.repeat(8193)}`], 'too-long'],
  ])('is refused with %s', async (_, values, code) => {
    await using service = await Service.start()
    const token = issuer.token()
    const given = values.map((value) => value.replaceAll('TOKEN', token))
    const answer = await service.ask(...given)
    expect(answer).toMatchObject({ ...REFUSED, code })
    expect(answer.body).not.toContain(code)
    expect(service.written.join('')).not.toContain(token)
  })

  test.each<[string, () => string]>([
    ['expired', () => issuer.token({ exp: 1000 })],
    ['not-yet-valid', () => issuer.token({ nbf: 9_999_999_999 })],
    ['wrong-audience', () => issuer.token({ aud: ['ledger'] })],
    ['missing-claim', () => issuer.token({ aud: undefined })],
    ['unknown-trust-domain', () => issuer.token({ sub: 'spiffe://other.org/web' })],
    ['bad-signature', () => new TokenIssuer().token()],
    ['unknown-header', () => issuer.token({}, { jku: 'https://example.org' })],
  ])('is refused where the verifier says %s', async (code, tokenOf) => {
    await using service = await Service.start()
    expect(await service.ask(`Bearer ${tokenOf()}`)).toMatchObject({ ...REFUSED, code })
  })

  test('is refused once the token has expired, and once its key has left the bundle', async () => {
    const own = new TokenIssuer()
    let now = Date.now()
    await using service = await Service.start({ source: own }, () => now)
    const token = `Bearer ${own.token()}`
    expect(await service.ask(token)).toMatchObject({ status: 200, body: WEB })
    now += 301_000
    expect(await service.ask(token)).toMatchObject({ ...REFUSED, code: 'expired' })
    now -= 301_000
    expect((await service.ask(token)).status).toBe(200)
    own.withdraw()
    expect(await service.ask(token)).toMatchObject({ ...REFUSED, code: 'empty-bundle' })
  })

  test('is refused where the source throws', async () => {
    let isBroken = false
    const source = {
      get jwtBundles() {
        if (isBroken) throw new Error('secret')
        return issuer.jwtBundles
      },
    }
    await using service = await Service.start({ source })
    const known = `Bearer ${issuer.token()}`
    expect(await service.ask(known)).toMatchObject({ status: 200, body: WEB })
    isBroken = true
    for (const token of [known, `Bearer ${issuer.token({ jti: 'another' })}`]) {
      expect(await service.ask(token)).toMatchObject({ ...REFUSED, code: 'failed' })
    }
    expect(service.written.join('')).not.toContain('secret')
  })

  test('is looked for in one header alone: not in the query, a body or another header', async () => {
    await using service = await Service.start()
    const token = issuer.token()
    const requests = [
      { url: `/?access_token=${token}` },
      {
        method: 'POST' as const,
        url: '/',
        headers: { 'content-type': 'application/json' },
        payload: { access_token: token },
      },
      { url: '/', headers: { 'proxy-authorization': `Bearer ${token}` } },
      { url: '/', headers: { 'x-authorization': `Bearer ${token}`, cookie: `token=${token}` } },
    ]
    for (const request of requests) {
      expect((await service.app.inject(request)).body).toBe('null')
    }
  })
})

describe('a token', () => {
  test('is seen by no handler and no log, although the log writes headers', async () => {
    await using service = await Service.start()
    const seen: unknown[] = []
    service.app.get('/seen', ({ headers, raw, log }) => {
      seen.push([headers.authorization, raw.headers.authorization])
      log.info({ all: raw.rawHeaders }, 'handled')
      throw new Error('broken')
    })
    const token = issuer.token()
    const headers = { authorization: `Bearer ${token}` }
    await service.app.inject({ url: '/seen', headers })
    await service.app.inject({ url: '/seen', headers: { authorization: `Bearer x${token}` } })
    expect(seen).toEqual([[undefined, undefined]])
    const signature = token.slice(token.lastIndexOf('.') + 1)
    expect(service.written.join('')).not.toContain(signature)
    expect(service.written.length).toBeGreaterThan(5)
  })

  test('names the caller on each line of the log after its verification', async () => {
    await using service = await Service.start()
    await service.ask(`Bearer ${issuer.token()}`)
    expect(service.lines.map(({ spiffeId }) => spiffeId)).toEqual([undefined, WEB])
  })

  test('that is refused leaves the connection open, which carries the requests of others', async () => {
    await using service = await Service.start({ allowPlaintext: true })
    service.app.get('/raw', ({ raw, spiffeId }) => [spiffeId, raw.headersDistinct, raw.rawHeaders])
    const { host, port } = await listen(service.app)
    const token = issuer.token()
    const socket = connect(port, host)
    await once(socket, 'connect')
    const first = [
      'GET / HTTP/1.1',
      'Host: a',
      'aUTHORIZATION: Bearer x',
      'Authorization: Bearer y',
    ]
    const second = ['GET /raw HTTP/1.1', 'Host: a', `authorization:bearer ${token}\t`]
    const third = ['GET /nowhere HTTP/1.1', 'Host: a', `Authorization: Bearer ${token}`]
    socket.write([...first, '', ...second, '', ...third, 'Connection: close', '', ''].join('\r\n'))
    const answer = await text(socket)
    expect(answer).toMatch(
      /^HTTP\/1\.1 401 [^]*invalid_token[^]*HTTP\/1\.1 200 [^]*HTTP\/1\.1 404 /,
    )
    expect(answer).toContain(`["${WEB}",{"host":["a"],"authorization":[""]`)
    expect(answer).not.toContain(token)
    expect(service.written.join('')).not.toContain(token)
    expect(service.lines.find(({ reason }) => reason !== undefined)?.code).toBe('malformed-header')
  })
})

test('over HTTP/2 a token proves the caller, is refused and is taken off the request as well', async () => {
  await using app = Fastify({ http2: true })
  await app.register(peer, { jwt: { audience: AUDIENCE, source: issuer, allowPlaintext: true } })
  app.get('/', ({ spiffeId, headers, raw }) => [spiffeId, headers.authorization, raw.rawHeaders])
  const { host, port } = await listen(app)
  const session = http2.connect(`http://${host}:${port}`)
  const ask = async (token: string): Promise<[unknown, unknown, string]> => {
    const stream = session.request({ ':path': '/', authorization: `Bearer ${token}` })
    const [answer] = await once(stream, 'response')
    return [answer[':status'], answer['www-authenticate'], await text(stream)]
  }
  const token = issuer.token()
  const [status, , body] = await ask(token)
  expect([status, body.includes(token), JSON.parse(body)[0]]).toEqual([200, false, WEB])
  expect((await ask('x')).slice(0, 2)).toEqual([401, 'Bearer error="invalid_token"'])
  session.close()
})

describe('the test kit', () => {
  test('presents a caller with a token', async () => {
    await using service = await Service.start()
    service.app.get('/peer', ({ peer: caller }) => [caller?.proof, caller?.notAfter])
    const caller = { spiffeId: WEB, proof: 'jwt-svid', notAfter: 5_000_000_000_000 } as const
    const answer = await injectAs(service.app, caller, '/peer')
    expect(answer.json()).toEqual(['jwt-svid', 5_000_000_000_000])
  })

  test('presents nobody by one where the application takes no tokens', async () => {
    await using app = Fastify()
    await app.register(peer)
    app.get('/', ({ spiffeId }) => String(spiffeId))
    expect((await injectAs(app, { spiffeId: WEB, proof: 'jwt-svid' }, '/')).body).toBe('null')
  })
})
