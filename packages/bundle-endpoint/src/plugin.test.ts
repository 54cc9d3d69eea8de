import { setImmediate } from 'node:timers/promises'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { Bundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { ask, jwtBundleOf, ScriptedJwtSource } from './client.test.helper.ts'
import { bundleEndpoint, type BundleEndpointOptions } from './index.ts'

const domain = TrustDomain.parse('example.org')
let authority: Authority
let foreign: Authority

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: domain })
  foreign = await Authority.create({ trustDomain: 'foreign.test' })
  authority.federate(foreign)
})

afterAll(async () => {
  await authority.close()
  await foreign.close()
})

const open = (): Promise<InProcessSource> => authority.source('spiffe://example.org/bundles')

/** An application that serves the bundle of `source` by `https_spiffe`. */
function application(source: InProcessSource): FastifyInstance {
  return Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
}

/** An application behind a proxy, for `inject()`. */
async function injectable(options: BundleEndpointOptions): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(bundleEndpoint, { profile: 'https_web', allowPlainHttp: true, ...options })
  return app
}

const listen = (app: FastifyInstance): Promise<string> => app.listen({ host: '127.0.0.1', port: 0 })

describe('the bundle endpoint', () => {
  test('serves the bundle of the own trust domain on the live listener, to clients without a certificate', async () => {
    await using source = await open()
    await using app = application(source)
    await app.register(svid, { source })
    await app.register(bundleEndpoint, {})
    const url = `${await listen(app)}/bundle`

    const answer = await ask(url)
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(answer.body.length),
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
    })
    const bundle = Bundle.parse(domain, answer.body)
    expect(bundle.x509.equals(authority.bundle)).toBe(true)
    expect(bundle.jwt.equals(authority.jwt.bundle)).toBe(true)
    expect(bundle.refreshHintMs).toBe(300_000)
    expect(bundle.ignored).toEqual([])
  })

  test('serves each change of the authorities with a higher sequence', async () => {
    await using source = await open()
    await using app = application(source)
    await app.register(bundleEndpoint, {})
    const url = `${await listen(app)}/bundle`
    const before = Bundle.parse(domain, (await ask(url)).body)

    await authority.rotateAuthority()
    const after = Bundle.parse(domain, (await ask(url)).body)
    expect(after.x509.authorities).toHaveLength(before.x509.authorities.length + 1)
    expect(after.sequence! > before.sequence!).toBe(true)
    await authority.removeAuthority()
    const last = Bundle.parse(domain, (await ask(url)).body)
    expect(last.x509.equals(authority.bundle)).toBe(true)
    expect(last.sequence! > after.sequence!).toBe(true)
    await authority.jwt.addAuthority()
    const withKey = Bundle.parse(domain, (await ask(url)).body)
    expect(withKey.jwt.authorities).toHaveLength(2)
    expect(withKey.sequence! > last.sequence!).toBe(true)
  })

  test('never serves a foreign bundle: neither instead of the own one nor within it', async () => {
    await using source = await open()
    const jwtSource = new ScriptedJwtSource()
    jwtSource.set(jwtBundleOf(domain, 'own'), jwtBundleOf(foreign.trustDomain, 'foreign'))
    await using app = await injectable({ source, jwtSource })
    expect(source.bundles.get(foreign.trustDomain)).toBeDefined()
    const { body } = await app.inject('/bundle')
    const bundle = Bundle.parse(domain, body)
    expect(bundle.x509.equals(authority.bundle)).toBe(true)
    expect(bundle.jwt.authorities.map(({ keyId }) => keyId)).toEqual(['own'])
  })

  test('serves public keys alone, each for its use', async () => {
    await using source = await open()
    const jwtSource = new ScriptedJwtSource()
    jwtSource.set(jwtBundleOf(domain, 'one', 'two'))
    await using app = await injectable({ source, jwtSource })
    const { keys } = (await app.inject('/bundle')).json()
    const names = new Set(keys.flatMap((key: object) => Object.keys(key)))
    expect(names).toEqual(new Set(['kty', 'crv', 'x', 'y', 'use', 'x5c', 'kid']))
    expect(keys.map(({ use }: { use: string }) => use)).toEqual([
      ...authority.bundle.authorities.map(() => 'x509-svid'),
      'jwt-svid',
      'jwt-svid',
    ])
  })

  test('sends the same octets to everybody: nothing is written for a request', async () => {
    await using source = await open()
    await using app = await injectable({ source })
    const [one, two] = [await app.inject('/bundle'), await app.inject('/bundle?x=1')]
    expect(one.rawPayload.equals(two.rawPayload)).toBe(true)
    expect(one.headers['etag']).toBe(two.headers['etag'])
  })

  test('answers HEAD with the headers of GET, and no body', async () => {
    await using source = await open()
    await using app = application(source)
    await app.register(bundleEndpoint, {})
    const url = `${await listen(app)}/bundle`
    const [get, head] = [await ask(url), await ask(url, { method: 'HEAD' })]
    const { date: _date, ...expected } = get.headers
    expect(head.status).toBe(200)
    expect(head.headers).toMatchObject(expected)
    expect(head.body).toHaveLength(0)
  })

  test('answers 304 to who has the current bundle, and 200 after a change', async () => {
    await using source = await open()
    await using app = application(source)
    await app.register(bundleEndpoint, {})
    const url = `${await listen(app)}/bundle`
    const { headers: first } = await ask(url)
    const etag = String(first['etag'])

    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(url, { method, headers: { 'if-none-match': etag } })
      expect(answer.status).toBe(304)
      expect(answer.body).toHaveLength(0)
      expect(answer.headers).toMatchObject({ etag, 'cache-control': 'no-cache' })
      expect(answer.headers).not.toHaveProperty('content-type')
    }
    await authority.addAuthority()
    const changed = await ask(url, { headers: { 'if-none-match': etag } })
    expect(changed.status).toBe(200)
    expect(changed.headers['etag']).not.toBe(etag)
  })

  test.each([
    ['the tag', (tag: string) => tag, 304],
    ['the tag, weak', (tag: string) => `W/${tag}`, 304],
    ['a list that holds it', (tag: string) => `"other" , ${tag},"x"`, 304],
    ['a star', () => '*', 304],
    ['another tag', () => '"other"', 200],
    ['the tag without its quotes', (tag: string) => tag.slice(1, -1), 200],
    ['a longer tag', (tag: string) => `${tag.slice(0, -1)}x"`, 200],
    ['nothing', () => '', 200],
    ['commas', () => ',,,', 200],
  ])('compares If-None-Match: %s', async (_, of, status) => {
    await using source = await open()
    await using app = await injectable({ source })
    const etag = String((await app.inject('/bundle')).headers['etag'])
    const headers = { 'if-none-match': of(etag) }
    expect((await app.inject({ url: '/bundle', headers })).statusCode).toBe(status)
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const)(
    'does not take %s',
    async (method) => {
      await using source = await open()
      await using app = await injectable({ source })
      expect((await app.inject({ method, url: '/bundle' })).statusCode).toBe(404)
    },
  )

  test('has the path, the prefix and the refresh hint that it is given', async () => {
    await using source = await open()
    await using app = Fastify()
    const options = { profile: 'https_web', allowPlainHttp: true, source } as const
    await app.register(bundleEndpoint, { ...options, path: '/', refreshHintMs: 10_000 })
    await app.register(bundleEndpoint, { ...options, prefix: '/federation' })
    expect(Bundle.parse(domain, (await app.inject('/')).body).refreshHintMs).toBe(10_000)
    expect((await app.inject('/federation/bundle')).statusCode).toBe(200)
    expect((await app.inject('/bundle')).statusCode).toBe(404)
  })

  test('takes HEAD also where Fastify exposes no such routes', async () => {
    await using source = await open()
    await using app = Fastify({ exposeHeadRoutes: false })
    await app.register(bundleEndpoint, { profile: 'https_web', allowPlainHttp: true, source })
    expect((await app.inject({ method: 'HEAD', url: '/bundle' })).statusCode).toBe(200)
  })

  test('has a public rule of its own, so that an application with authz becomes ready', async () => {
    await using source = await open()
    await using app = application(source)
    await app.register(svid, { source })
    await app.register(peer)
    await app.register(authz)
    await app.register(bundleEndpoint, {})
    app.get('/orders', { config: { spiffe: { allow: ['spiffe://example.org/web'] } } }, () => 'in')
    const url = await listen(app)
    expect((await ask(`${url}/bundle`)).status).toBe(200)
    expect((await ask(`${url}/bundle`, { method: 'HEAD' })).status).toBe(200)
    expect((await ask(`${url}/orders`)).status).toBe(401)
    const { routes } = app.authz.table()
    expect(routes.filter(({ route }) => route === '/bundle').map(({ allow }) => allow)).toEqual([
      ['public'],
      ['public'],
    ])
  })

  test('lets the plugin svid close the source with the application', async () => {
    await using source = await open()
    const app = application(source)
    await app.register(svid, { source })
    await app.register(bundleEndpoint, {})
    await app.ready()
    await app.close()
    expect(source.state).toBe('closed')
    expect(source.subscriptions).toBe(0)
  })

  test('answers 503 without a bundle, until there is one again, and logs each once', async () => {
    const lines: { level: number; msg: string }[] = []
    const write = (line: string): void => void lines.push(JSON.parse(line))
    await using kept = await open()
    await using source = new ScriptedSource(kept.svid, kept.bundles)
    await using app = Fastify({ logger: { stream: { write } } })
    const options = {
      profile: 'https_web',
      allowPlainHttp: true,
      source,
      logLevel: 'warn',
    } as const
    await app.register(bundleEndpoint, options)
    await app.ready()
    source.set(kept.svid, kept.bundles.without(domain))

    for (const method of ['GET', 'HEAD'] as const) {
      const refused = await app.inject({
        method,
        url: '/bundle',
        headers: { 'if-none-match': '*' },
      })
      expect(refused.statusCode).toBe(503)
      expect(refused.headers).toMatchObject({ 'retry-after': '60', 'cache-control': 'no-store' })
      expect(refused.headers).not.toHaveProperty('etag')
    }
    source.set(kept.svid, kept.bundles)
    await setImmediate()
    expect((await app.inject('/bundle')).statusCode).toBe(200)
    expect(lines.filter(({ level }) => level >= 50)).toEqual([
      expect.objectContaining({ reason: 'no-bundle', trustDomain: 'example.org' }),
    ])
  })
})

async function boot(app: FastifyInstance, options: object): Promise<unknown> {
  await using closing = app
  return await closing.register(bundleEndpoint, options).then(
    () => 'booted',
    (error: { code: unknown }) => error.code,
  )
}

describe('the bundle endpoint does not boot', () => {
  test('as https_spiffe on a server that presents no SVID', async () => {
    await using source = await open()
    expect(await boot(Fastify(), { source })).toBe('not-a-spiffe-server')
  })

  test('as https_spiffe on a server that requires certificates', async () => {
    await using source = await open()
    expect(await boot(Fastify(spiffeServer(source)), {})).toBe('clients-need-certificates')
  })

  test('as https_web on a server that presents an SVID', async () => {
    await using source = await open()
    const options = { profile: 'https_web', source, allowPlainHttp: true }
    expect(await boot(application(source), options)).toBe('not-a-web-server')
  })

  test('on plain HTTP, unless that is allowed', async () => {
    await using source = await open()
    expect(await boot(Fastify(), { profile: 'https_web', source })).toBe('plain-http')
    const https = Fastify({ https: {} })
    expect(await boot(https, { profile: 'https_web', source })).toBe('booted')
    const http2 = Fastify({ http2: true, https: {} }) as unknown as FastifyInstance
    expect(await boot(http2, { profile: 'https_web', source })).toBe('booted')
  })

  test('for another trust domain than that of the SVID, nor for an unknown one', async () => {
    await using source = await open()
    const web = { profile: 'https_web', allowPlainHttp: true }
    const refused = { ...web, source, trustDomain: 'foreign.test' }
    expect(await boot(Fastify(), refused)).toBe('foreign-trust-domain')
    await using nameless = new ScriptedSource(null, source.bundles)
    expect(await boot(Fastify(), { ...web, source: nameless })).toBe('no-trust-domain')
    const named = { ...web, source: nameless, trustDomain: domain }
    expect(await boot(Fastify(), named)).toBe('booted')
  })

  test.each([
    ['an unknown option', { port: 1 }, 'unknown-option'],
    ['another profile', { profile: 'https' }, 'invalid-option'],
    ['a source that was not awaited', { source: Promise.resolve() }, 'invalid-option'],
    ['a source of nothing', { source: {} }, 'invalid-option'],
    ['no source', { source: undefined }, 'invalid-option'],
    ['a source of JWT bundles that has none', { jwtSource: {} }, 'invalid-option'],
    ['a path with a parameter', { path: '/:name' }, 'invalid-option'],
    ['a path with a wildcard', { path: '/*' }, 'invalid-option'],
    ['a path that is none', { path: 'bundle' }, 'invalid-option'],
    ['a long path', { path: `/${'a'.repeat(256)}` }, 'invalid-option'],
    ['half a second', { refreshHintMs: 1500 }, 'invalid-option'],
    ['no refresh hint', { refreshHintMs: 0 }, 'invalid-option'],
    ['more than a day', { refreshHintMs: 86_401_000 }, 'invalid-option'],
    ['less than a bundle', { maxBytes: 1023 }, 'invalid-option'],
    ['more than consumers read', { maxBytes: 4 * 1024 * 1024 + 1 }, 'invalid-option'],
    ['no name of a file', { sequenceFile: '' }, 'invalid-option'],
    ['a name with a NUL', { sequenceFile: 'a\0b' }, 'invalid-option'],
    ['no trust domain', { trustDomain: 'Example.org' }, 'invalid-option'],
    ['a number for a trust domain', { trustDomain: 1 }, 'invalid-option'],
    ['text for a boolean', { allowPlainHttp: 'yes' }, 'invalid-option'],
    ['no clock', { clock: 1 }, 'invalid-option'],
  ])('with %s', async (_, options, code) => {
    await using source = await open()
    const given = { profile: 'https_web', allowPlainHttp: true, source, ...options }
    expect(await boot(Fastify(), given)).toBe(code)
  })
})
