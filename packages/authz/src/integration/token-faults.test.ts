import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { eventsDuring } from '../events.test.helper.ts'
import { authz, type DecisionEvent, where } from '../index.ts'
import { jwtClaims, type JwtClaimsOptions } from '@fastify-spiffe/policy/jwt'

const WEB = 'spiffe://example.org/acme/web'
const NOW = Math.floor(Date.now() / 1000)

const newKey = (): { privateKey: KeyObject; publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
const own = newKey()
const other = newKey()
const jwkOf = (key: KeyObject, kid: string): object => ({
  ...key.export({ format: 'jwk' }),
  kid,
  alg: 'ES256',
  use: 'sig',
})
const TWINS = [jwkOf(own.publicKey, 'twin'), jwkOf(other.publicKey, 'twin')]
const KEYS = JSON.stringify({ keys: [jwkOf(own.publicKey, 'own'), ...TWINS] })

/** An issuer that answers with `issuer.answer`. */
const issuer = { answer: { status: 200, body: KEYS }, asked: 0, hangs: false }
const server: Server = createServer((_request, response) => {
  issuer.asked++
  if (issuer.hangs) return
  response.writeHead(issuer.answer.status, { 'content-type': 'application/json' })
  response.end(issuer.answer.body)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const jwks = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` }
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  issuer.answer = { status: 200, body: KEYS }
  issuer.asked = 0
  issuer.hangs = false
})

const base64url = (text: string): string => Buffer.from(text).toString('base64url')
const HEADER = '{"alg":"ES256","kid":"own"}'
const claims = (more = '', exp: unknown = NOW + 300): string =>
  `{"iss":"https://issuer.test","aud":"orders","exp":${String(exp)}${more}}`

function signed(header: string, payload: string, key = own.privateKey): string {
  const content = `${base64url(header)}.${base64url(payload)}`
  const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}

async function service(options: Partial<JwtClaimsOptions> = {}, logged: object[] = []) {
  const stream = { write: (line: string) => void logged.push(JSON.parse(line) as object) }
  const app = Fastify({ logger: { level: 'info', stream } })
  apps.push(app)
  await app.register(peer)
  const provider = jwtClaims({
    issuer: 'https://issuer.test',
    audience: 'orders',
    algorithms: ['ES256'],
    jwks,
    ...options,
  })
  await app.register(authz, { attributes: [provider], timeoutMs: 10_000 })
  const reads = where((it) => it['jwt.uid'] !== '0', { reads: ['jwt.uid'] })
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: reads } } }, () => 'in')
  return async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const request = injectAs(app, WEB, { url: '/', headers })
    let answer
    const events = await eventsDuring<DecisionEvent>('spiffe:authz:decision', async () => {
      answer = await request
    })
    return { answer: answer as unknown as Awaited<typeof request>, detail: events[0]?.detail }
  }
}

const GOOD = signed(HEADER, claims())

describe('which rule a token broke', () => {
  test.each<[string, string | undefined, string]>([
    ['is not there', undefined, 'missing'],
    ['is no token', 'abc', 'malformed'],
    ['is too long', 'a'.repeat(9000), 'too-long'],
    ['has expired', signed(HEADER, claims('', NOW - 1)), 'expired'],
    ['is not valid yet', signed(HEADER, claims(`,"nbf":${NOW + 100}`)), 'not-yet-valid'],
    ['is for another service', signed(HEADER, claims().replace('orders', 'bills')), 'audience'],
    ['is of another issuer', signed(HEADER, claims().replace('issuer.test', 'x')), 'issuer'],
    ['does not say when it ends', signed(HEADER, claims().replace('exp', 'end')), 'missing-claim'],
    ['is signed by somebody else', signed(HEADER, claims(), other.privateKey), 'signature'],
    ['names no key of the issuer', signed('{"alg":"ES256","kid":"x"}', claims()), 'unknown-key'],
    ['names several keys', signed('{"alg":"ES256","kid":"twin"}', claims()), 'several-keys'],
    ['names no algorithm that counts', signed('{"alg":"HS256"}', claims()), 'algorithm'],
    ['is signed by nobody', signed('{"alg":"none"}', claims()), 'algorithm'],
    ['ends never', signed(HEADER, claims('', '1e400')), 'malformed'],
    ['ends after all time', signed(HEADER, claims('', '1e300')), 'malformed'],
    ['ends before all time', signed(HEADER, claims('', -5)), 'malformed'],
    ['ends at a text', signed(HEADER, claims('', '"9999999999"')), 'malformed'],
    ['ends at nothing', signed(HEADER, claims('', 'null')), 'malformed'],
    ['is valid since no time', signed(HEADER, claims(',"nbf":-1e400')), 'malformed'],
    ['ends twice', signed(HEADER, claims(`,"exp":${NOW + 9}`)), 'malformed'],
    [
      'has the audience twice, once in other words',
      signed(HEADER, claims(String.raw`,"\u0061ud":"orders"`)),
      'malformed',
    ],
    [
      'has an algorithm twice',
      signed('{"alg":"none","alg":"ES256","kid":"own"}', claims()),
      'malformed',
    ],
    ['has a prototype', signed(HEADER, claims(',"__proto__":{"uid":1}')), 'malformed'],
    ['has critical extensions', signed('{"alg":"ES256","crit":["b64"]}', claims()), 'malformed'],
    ['is padded', `${GOOD}=`, 'malformed'],
    ['has a character that decoders skip', GOOD.replace('.', '.!'), 'malformed'],
    ['has four parts', `${GOOD}.x`, 'malformed'],
    ['is a list', signed(HEADER, '[]'), 'malformed'],
  ])('is in event and log, and not in the answer, of one that %s', async (_, token, code) => {
    const logged: object[] = []
    const ask = await service({}, logged)
    const { answer, detail } = await ask(token)
    expect(answer.statusCode).toBe(401)
    expect(answer.json()).toMatchObject({ code: 'unauthenticated', message: 'Unauthorized' })
    expect(answer.body).not.toContain(code)
    expect(detail).toBe(`jwt-${code}`)
    const line = logged.find((it) => 'detail' in it)
    expect(line).toMatchObject({ reason: 'attribute-refused', detail: `jwt-${code}`, level: 30 })
    if (token !== undefined && token.length > 10) {
      expect(JSON.stringify(logged)).not.toContain(token.slice(0, 20))
    }
  })

  test('is that a good token names another certificate, where it must name the caller’s', async () => {
    const ask = await service({ certificateBound: true })
    expect((await ask(GOOD)).detail).toBe('jwt-not-bound')
    expect((await (await service())(GOOD)).answer.statusCode).toBe(200)
  })

  test('is none where a claim is a number that JavaScript rounds: the rule that reads it fails', async () => {
    const ask = await service()
    const uid = (text: string) => ask(signed(HEADER, claims(`,"uid":${text}`)))
    expect((await uid('9007199254740991')).answer.statusCode).toBe(200)
    expect((await uid('9007199254740993')).answer.statusCode).toBe(403)
    expect((await uid('1e21')).answer.statusCode).toBe(403)
  })
})

test('a key set that gives away a private key is blamed on no token', async () => {
  const key = { ...own.privateKey.export({ format: 'jwk' }), kid: 'own', alg: 'ES256' }
  issuer.answer = { status: 200, body: JSON.stringify({ keys: [key] }) }
  const { answer, detail } = await (await service())(GOOD)
  expect([answer.statusCode, detail]).toEqual([403, undefined])
})
