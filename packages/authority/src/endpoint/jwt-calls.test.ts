import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { BundleSet, JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { Client, credentials, Metadata, type ClientReadableStream } from '@grpc/grpc-js'
import { Authority } from '../authority/authority.ts'
import type { WorkloadEndpointOptions } from './options.ts'
import { SERVICE, type WorkloadApiMethod } from './service.ts'
import type { WorkloadEndpoint } from './workload-endpoint.ts'

const WEB = 'spiffe://example.org/web'
const JOBS = 'spiffe://example.org/jobs'

/** `JWTSVIDResponse`, as far as it has something in it. */
interface FetchedSvids {
  readonly svids: readonly {
    readonly spiffe_id: string
    readonly svid: string
    readonly hint?: string
  }[]
}

let authority: Authority
let foreign: Authority
let endpoint: WorkloadEndpoint
let client: Client
let streams: ClientReadableStream<object>[] = []

beforeEach(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  foreign = await Authority.create({ trustDomain: 'b.test' })
})

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.cancel()
  client.close()
  await Promise.all([authority.close(), foreign.close()])
})

async function serve(options: WorkloadEndpointOptions = { spiffeId: WEB }): Promise<void> {
  endpoint = await authority.serve(options)
  client = new Client(endpoint.address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  })
}

function header(...values: string[]): Metadata {
  const metadata = new Metadata()
  for (const value of values) metadata.add('workload.spiffe.io', value)
  return metadata
}

/** Calls a method that is answered once. */
function call<Answer extends object>(
  method: WorkloadApiMethod,
  request: object,
  metadata = header('true'),
): Promise<Answer> {
  const { path, requestSerialize, responseDeserialize } = SERVICE[method]!
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error, answer) => (error === null ? resolve(answer as Answer) : reject(error)),
    )
  })
}

/** The messages of the stream of JWT bundles: the names of the trust domains, and how many authorities each has. */
function bundles(): AsyncIterator<object> {
  const { path, requestSerialize, responseDeserialize } = SERVICE['FetchJWTBundles']!
  const stream = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    {},
    header('true'),
  )
  stream.on('error', () => {})
  streams.push(stream)
  return stream[Symbol.asyncIterator]()
}

async function next(messages: AsyncIterator<object>): Promise<Map<string, JwtBundle>> {
  const { value } = (await messages.next()) as { value: { bundles: Record<string, Buffer> } }
  return new Map(
    Object.entries(value.bundles).map(([id, jwks]) => [
      id,
      JwtBundle.fromJwks(TrustDomain.parse(id), jwks),
    ]),
  )
}

const refusal = (code: number, details: string): object =>
  expect.objectContaining({ code, details })
const NO_IDENTITY = refusal(7, 'no identity issued')

describe('FetchJWTSVID', () => {
  test('gives a token for each identity, in their order, and of equal hints the first', async () => {
    const third = { spiffeId: 'spiffe://example.org/third', hint: 'a' }
    await serve({ identities: [{ spiffeId: JOBS, hint: 'a' }, { spiffeId: WEB }, third] })
    const { svids } = await call<FetchedSvids>('FetchJWTSVID', { audience: ['orders', 'ledger'] })
    expect(svids.map(({ spiffe_id: id, hint = '' }) => [id, hint])).toEqual([
      [JOBS, 'a'],
      [WEB, ''],
    ])
    const own = BundleSet.of(authority.jwt.bundle)
    for (const { spiffe_id: id, svid } of svids) {
      const verification = await verifyJwtSvid(svid, own, { audience: 'ledger' })
      expect(verification).toMatchObject({ ok: true, svid: { audience: ['orders', 'ledger'] } })
      expect(verification.ok && verification.svid.spiffeId.toString()).toBe(id)
    }
  })

  test('gives the identity that is asked for, and no other', async () => {
    await serve({ identities: [{ spiffeId: JOBS }, { spiffeId: WEB }] })
    const request = { audience: ['orders'], spiffe_id: WEB }
    const { svids } = await call<FetchedSvids>('FetchJWTSVID', request)
    expect(svids.map(({ spiffe_id: id }) => id)).toEqual([WEB])
    const other = { audience: ['orders'], spiffe_id: `${WEB}/other` }
    await expect(call('FetchJWTSVID', other)).rejects.toEqual(NO_IDENTITY)
  })

  test('refuses a request without an audience, and a SPIFFE ID that is none', async () => {
    await serve()
    for (const request of [{}, { audience: [] }, { audience: [''] }]) {
      await expect(call('FetchJWTSVID', request)).rejects.toEqual(
        refusal(3, 'audience must be specified'),
      )
    }
    const malformed = { audience: ['orders'], spiffe_id: 'web' }
    await expect(call('FetchJWTSVID', malformed)).rejects.toMatchObject({ code: 3 })
    const many = { audience: Array.from({ length: 65 }, (_, index) => `${index}`) }
    await expect(call('FetchJWTSVID', many)).rejects.toMatchObject({ code: 3 })
  })

  test('refuses a workload without identity, one without the security header, and on demand', async () => {
    await serve({ identities: [] })
    const request = { audience: ['orders'] }
    await expect(call('FetchJWTSVID', request)).rejects.toEqual(NO_IDENTITY)
    await endpoint.setIdentities([{ spiffeId: WEB }])
    await expect(call('FetchJWTSVID', request, header())).rejects.toMatchObject({ code: 3 })
    endpoint.fail('UNAVAILABLE', { method: 'FetchJWTSVID', times: 1 })
    await expect(call('FetchJWTSVID', request)).rejects.toMatchObject({ code: 14 })
    await expect(call('FetchJWTSVID', request)).resolves.toBeDefined()
    endpoint.deny()
    await expect(call('FetchJWTSVID', request)).rejects.toEqual(NO_IDENTITY)
    expect(endpoint.calls.map(({ method }) => method)).toEqual(Array(5).fill('FetchJWTSVID'))
  })

  test('says nothing while it hangs', async () => {
    await serve()
    endpoint.hang({ method: 'FetchJWTSVID' })
    const called = endpoint.nextCall({ method: 'FetchJWTSVID' })
    const answered = expect(call('FetchJWTSVID', { audience: ['orders'] })).rejects.toMatchObject({
      code: 14,
    })
    await called
    await endpoint.close()
    await answered
  })
})

describe('FetchJWTBundles', () => {
  test('streams the bundles of all trust domains without use, and repeats nothing', async () => {
    await serve()
    const messages = bundles()
    const first = await next(messages)
    expect([...first.keys()]).toEqual(['spiffe://example.org'])
    expect(first.get('spiffe://example.org')!.equals(authority.jwt.bundle)).toBe(true)
    expect(authority.jwt.bundle.toJwks()).not.toContain('"use"')
    await authority.rotateSvids()
    authority.federate(foreign)
    const second = await next(messages)
    expect(second.get('spiffe://b.test')!.equals(foreign.jwt.bundle)).toBe(true)
    await foreign.rotateAuthority()
    await foreign.jwt.addAuthority()
    expect((await next(messages)).get('spiffe://b.test')!.authorities).toHaveLength(2)
    authority.unfederate(foreign)
    expect([...(await next(messages)).keys()]).toEqual(['spiffe://example.org'])
  })

  test('ends when the workload loses its identity', async () => {
    await serve()
    const messages = bundles()
    await next(messages)
    await endpoint.setIdentities([])
    await expect(messages.next()).rejects.toEqual(NO_IDENTITY)
  })
})

describe('ValidateJWTSVID', () => {
  test('says whose a good token is, and what it says', async () => {
    await serve()
    authority.federate(foreign)
    const claims = { level: 3, deep: { list: ['a', true, null] } }
    const svid = foreign.jwt.mint('spiffe://b.test/api', { audience: 'web', claims })
    const answer = await call<{ claims: { fields: Record<string, object> } }>('ValidateJWTSVID', {
      audience: 'web',
      svid,
    })
    expect(answer).toMatchObject({ spiffe_id: 'spiffe://b.test/api' })
    const { aud, level, deep } = answer.claims.fields
    expect(aud).toEqual({ listValue: { values: [{ stringValue: 'web' }] } })
    expect(level).toEqual({ numberValue: 3 })
    const list = [{ stringValue: 'a' }, { boolValue: true }, { nullValue: 0 }]
    expect(deep).toEqual({ structValue: { fields: { list: { listValue: { values: list } } } } })
  })

  test('calls a bad token and an incomplete request invalid', async () => {
    await serve()
    const svid = authority.jwt.mint(WEB, { audience: 'web', corruptSignature: true })
    const requests = [
      { audience: 'web', svid },
      { audience: 'other', svid: authority.jwt.mint(WEB, { audience: 'web' }) },
      { audience: 'web', svid: foreign.jwt.mint('spiffe://b.test/api', { audience: 'web' }) },
      { audience: 'web' },
      { svid },
    ]
    for (const request of requests) {
      await expect(call('ValidateJWTSVID', request)).rejects.toMatchObject({ code: 3 })
    }
  })
})
