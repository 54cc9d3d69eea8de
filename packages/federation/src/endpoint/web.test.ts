import { createGzip } from 'node:zlib'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bundleOf, Endpoint, mintWebPki, open, PARTNER } from '../endpoint.test.helper.ts'
import type { Federation, FederationOptions, FollowedTrustDomain } from '../index.ts'

let ca: string
let localhost: MintedCertificate
let partner: MintedCa
let endpoint: Endpoint
let federation: Federation | undefined

beforeAll(async () => {
  ;({ ca, localhost } = await mintWebPki())
  partner = await mintRootCa(PARTNER)
})

beforeEach(async () => {
  endpoint = await Endpoint.serve(localhost)
})

afterEach(async () => {
  await federation?.close()
  federation = undefined
  await endpoint[Symbol.asyncDispose]()
})

const body = (sequence = 1n): string => bundleOf([partner], { sequence }).stringify()

async function follow(options: Partial<FederationOptions> = {}): Promise<FollowedTrustDomain> {
  const trustDomain = {
    trustDomain: PARTNER,
    url: endpoint.url('/bundle'),
    profile: 'https_web',
    ca,
  } as const
  federation = await open({ trustDomains: [trustDomain], ...options })
  return federation.status(PARTNER)!
}

describe('rule 48: an endpoint of the profile https_web', () => {
  test('gives the bundle of its trust domain, and learns nothing of who asks', async () => {
    endpoint.send(body(7n))
    const status = await follow()
    expect(status).toMatchObject({ state: 'ready', origin: 'fetched', sequence: 7n })
    expect(status).toMatchObject({ x509Authorities: 1, jwtAuthorities: 1, failures: 0 })
    const [bundle] = federation!.bundles
    expect(bundle?.has(partner.certificate)).toBe(true)
    expect([...federation!.jwtBundles].map(({ trustDomain }) => trustDomain.name)).toEqual([
      PARTNER,
    ])
    const [request] = endpoint.requests
    expect(request).toMatchObject({ method: 'GET', url: '/bundle', hasClientCertificate: false })
    const { host, connection, ...headers } = request!.headers
    expect(headers).toEqual({ accept: 'application/json', 'accept-encoding': 'identity' })
    expect([host, connection]).toEqual([`localhost:${endpoint.port}`, 'close'])
  })

  test('is refused without the authority of the option, and for another name', async () => {
    endpoint.send(body())
    const url = endpoint.url()
    const other = await mintRootCa('other.test')
    const wrong = [
      { url, ca: other.certificatePem },
      { url },
      { url: url.replace('localhost', 'elsewhere.test'), ca },
    ]
    for (const options of wrong) {
      const trustDomain = { trustDomain: PARTNER, profile: 'https_web', ...options } as const
      await using refused = await open({ trustDomains: [trustDomain] })
      expect(refused.status(PARTNER)).toMatchObject({
        state: 'stale',
        bundle: null,
        lastFailure: { code: 'endpoint-refused' },
      })
      expect(refused.bundles.size).toBe(0)
    }
    expect(endpoint.requests).toEqual([])
  })
})

describe('the bundle', () => {
  test('is asked for with its ETag, and stays what it is when it is unchanged', async () => {
    endpoint.answer = (request, response) => {
      if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end()
      else response.writeHead(200, { etag: '"v1"' }).end(body())
    }
    await follow()
    const held = federation!.bundles
    const again = await federation!.refresh(PARTNER)
    expect(again).toMatchObject({ state: 'ready', sequence: 1n })
    expect(endpoint.requests[1]?.headers['if-none-match']).toBe('"v1"')
    expect(federation!.bundles).toBe(held)
  })

  test('is not taken from an answer 304 that nothing was asked for', async () => {
    endpoint.answer = (_request, response) => response.writeHead(304, { etag: '"v1"' }).end()
    expect((await follow()).lastFailure?.code).toBe('unexpected-status')
  })

  test.each([
    ['200 without one', 200, 'hello'],
    ['200 and nothing', 200, ''],
    ['a list', 200, '[]'],
    ['no keys', 200, '{}'],
    ['keys twice', 200, '{"keys":[],"keys":[]}'],
    ['404', 404, ''],
    ['401', 401, ''],
    ['500', 500, ''],
    ['206', 206, '{"keys":[]}'],
    ['204', 204, ''],
    ['300', 300, ''],
  ])('rule 53: an endpoint that answers with %s changes nothing', async (_what, status, text) => {
    endpoint.send(body())
    await follow()
    const held = federation!.bundles
    endpoint.answer = (_request, response) => response.writeHead(status).end(text)
    const after = await federation!.refresh(PARTNER)
    const code = status === 200 ? 'invalid-bundle' : 'unexpected-status'
    expect(after).toMatchObject({ state: 'stale', failures: 1, lastFailure: { code } })
    expect(federation!.bundles).toBe(held)
    expect(after.x509Authorities).toBe(1)
  })

  test('is not unpacked, because an answer that is small then can be large', async () => {
    endpoint.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      createGzip().end(body()).pipe(response)
    }
    expect((await follow()).lastFailure?.code).toBe('invalid-bundle')
  })

  test.each(['with a length', 'in chunks'])(
    'of more than the limit is not read: %s',
    async (how) => {
      const large = body().padEnd(4097, ' ')
      endpoint.answer = (_request, response) => {
        if (how === 'with a length') response.writeHead(200, { 'content-length': large.length })
        response.write(large.slice(0, 4000))
        response.end(large.slice(4000))
      }
      const status = await follow({ maxBundleBytes: 4096 })
      expect(status).toMatchObject({ bundle: null, lastFailure: { code: 'too-large' } })
    },
  )

  test('of 4 MiB is read, and one of a byte more is not', async () => {
    endpoint.send(body().padEnd(4 * 1024 * 1024, ' '))
    expect(await follow()).toMatchObject({ state: 'ready' })
    endpoint.send(body(2n).padEnd(4 * 1024 * 1024 + 1, ' '))
    const after = await federation!.refresh(PARTNER)
    expect(after).toMatchObject({ sequence: 1n, lastFailure: { code: 'too-large' } })
  })

  test('that does not come in time is not taken', async () => {
    endpoint.answer = (_request, response) => response.writeHead(200).write('{"keys":')
    expect((await follow({ timeoutMs: 100 })).lastFailure?.code).toBe('timeout')
  })

  test('that does not come whole is not taken', async () => {
    endpoint.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{"keys":[]}', () => response.destroy())
    }
    expect((await follow()).lastFailure?.code).toBe('unreachable')
  })
})

describe('rule 50: a redirect', () => {
  test.each([301, 302, 303, 307, 308])(
    'with status %i is followed, for this time only',
    async (status) => {
      endpoint.answer = (request, response) => {
        if (request.url === '/bundle')
          response.writeHead(status, { location: '/moved?x=1#part' }).end()
        else response.writeHead(200, { etag: '"moved"' }).end(body())
      }
      expect(await follow()).toMatchObject({ state: 'ready', url: endpoint.url('/bundle') })
      await federation!.refresh(PARTNER)
      expect(endpoint.requests.map(({ url }) => url)).toEqual([
        '/bundle',
        '/moved?x=1',
        '/bundle',
        '/moved?x=1',
      ])
      // The ETag goes to the URL that gave it.
      expect(endpoint.requests.map(({ headers }) => headers['if-none-match'])).toEqual([
        undefined,
        undefined,
        undefined,
        '"moved"',
      ])
    },
  )

  test.each([
    ['to http', (port: number) => `http://localhost:${port}/`],
    ['with a user', (port: number) => `https://user:secret@localhost:${port}/`],
    ['with an empty user', (port: number) => `https://@localhost:${port}/`],
    ['with a user, without a scheme', (port: number) => `//user@localhost:${port}/`],
    ['with a backslash', (port: number) => `\\\\localhost:${port}/`],
    ['to a file', () => 'file:///etc/passwd'],
    ['to data', () => 'data:application/json,{"keys":[]}'],
    ['to nowhere', () => undefined],
  ])('%s is not followed', async (_what, location) => {
    const target = location(endpoint.port)
    endpoint.answer = (_request, response) => {
      response.writeHead(302, target === undefined ? {} : { location: target }).end()
    }
    expect(await follow()).toMatchObject({
      bundle: null,
      lastFailure: { code: 'invalid-redirect' },
    })
    expect(endpoint.requests).toHaveLength(1)
  })

  test('is followed five times, and not a sixth time', async () => {
    endpoint.answer = (request, response) => {
      const hop = Number(request.url?.slice('/bundle'.length))
      if (hop === 5) response.writeHead(200).end(body())
      else response.writeHead(307, { location: `/bundle${hop + 1}` }).end()
    }
    expect(await follow()).toMatchObject({ state: 'ready' })
    endpoint.answer = (_request, response) => response.writeHead(307, { location: '/bundle' }).end()
    const after = await federation!.refresh(PARTNER)
    expect(after.lastFailure?.code).toBe('invalid-redirect')
    expect(endpoint.requests).toHaveLength(12)
  })

  test('to a server that does not prove its name is not followed', async () => {
    const other = await mintRootCa('other.test')
    await using evil = await Endpoint.serve(
      await other.mint('spiffe://other.test/x', { uris: [], dnsNames: ['localhost'] }),
    )
    evil.send(body())
    endpoint.answer = (_request, response) =>
      response.writeHead(307, { location: evil.url() }).end()
    expect((await follow()).lastFailure?.code).toBe('endpoint-refused')
    expect(evil.requests).toEqual([])
  })
})
