import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle, type X509BundleSource } from '@fastify-spiffe/spiffe'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bundleOf, Endpoint, ENDPOINT_ID, open, PARTNER } from '../endpoint.test.helper.ts'
import type { Federation, FederationOptions, FollowOptions } from '../index.ts'

const profile = 'https_spiffe'

let partner: MintedCa
let endpoint: Endpoint
let federation: Federation | undefined

beforeAll(async () => {
  partner = await mintRootCa(PARTNER)
})

beforeEach(async () => {
  endpoint = await Endpoint.serve(await partner.mint(ENDPOINT_ID))
  endpoint.send(bundleOf([partner], { sequence: 2n }).stringify())
})

afterEach(async () => {
  await federation?.close()
  federation = undefined
  await endpoint[Symbol.asyncDispose]()
})

const options = (change: Partial<FollowOptions> = {}): FollowOptions => ({
  trustDomain: PARTNER,
  url: endpoint.url('/bundle'),
  profile,
  endpointSpiffeId: ENDPOINT_ID,
  bundle: bundleOf([partner], { sequence: 1n }),
  ...change,
})

async function follow(
  change: Partial<FollowOptions> = {},
  others: Partial<FederationOptions> = {},
): Promise<ReturnType<Federation['status']>> {
  federation = await open({ trustDomains: [], ...others })
  return federation.follow(options(change))
}

/** A source of bundles that do not change. */
function sourceOf(...bundles: X509Bundle[]): X509BundleSource {
  return {
    bundles: BundleSet.of(...bundles),
    state: 'ready',
    onUpdate: () => () => {},
    nextUpdate: () => new Promise(() => {}),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

describe('rule 51: an endpoint of the profile https_spiffe', () => {
  test('is verified by its SPIFFE ID against the bundle that is held, whatever its host', async () => {
    const status = await follow({
      url: endpoint.url('/bundle').replace('localhost', 'elsewhere.test'),
    })
    expect(status).toMatchObject({ state: 'ready', origin: 'fetched', sequence: 2n, profile })
    const [request] = endpoint.requests
    expect(request).toMatchObject({ method: 'GET', url: '/bundle', hasClientCertificate: false })
    const { host: _host, connection: _connection, ...headers } = request!.headers
    expect(headers).toEqual({ accept: 'application/json', 'accept-encoding': 'identity' })
  })

  test('with another SPIFFE ID is refused, and sees no request', async () => {
    endpoint.present(await partner.mint('spiffe://partner.test/web'))
    expect(await follow()).toMatchObject({
      state: 'stale',
      origin: 'configured',
      sequence: 1n,
      lastFailure: { code: 'endpoint-refused' },
    })
    expect(endpoint.requests).toEqual([])
  })

  test('that another authority has named so is refused', async () => {
    endpoint.present(await (await mintRootCa(PARTNER)).mint(ENDPOINT_ID))
    expect((await follow())?.lastFailure?.code).toBe('endpoint-refused')
    const foreign = await mintRootCa('foreign.test')
    endpoint.present(await foreign.mint(ENDPOINT_ID))
    const source = sourceOf(X509Bundle.of(foreign.trustDomain, [foreign.certificate]))
    await using other = await open({ trustDomains: [options()], source })
    const refused = await other.refresh(PARTNER)
    expect(refused.lastFailure?.code).toBe('endpoint-refused')
    expect(endpoint.requests).toEqual([])
  })

  test('whose certificate has expired is refused', async () => {
    endpoint.present(await partner.mint(ENDPOINT_ID, { notAfter: Date.now() - 2000 }))
    expect((await follow())?.lastFailure?.code).toBe('endpoint-refused')
    expect(endpoint.requests).toEqual([])
  })

  test('needs a bundle to begin with, where it is of the trust domain itself', async () => {
    federation = await open({ trustDomains: [] })
    const { bundle: _bundle, ...without } = options()
    await expect(federation.follow(without)).rejects.toMatchObject({ code: 'no-initial-bundle' })
    expect(federation.status(PARTNER)).toBeNull()
    await expect(open({ trustDomains: [without] })).rejects.toMatchObject({
      code: 'no-initial-bundle',
    })
    expect(endpoint.requests).toEqual([])
  })

  test('is verified with the next authority after a rotation, and no more with one that is gone', async () => {
    const next = await mintRootCa(PARTNER)
    endpoint.send(bundleOf([partner, next], { sequence: 2n }).stringify())
    await follow()
    endpoint.present(await next.mint(ENDPOINT_ID))
    endpoint.send(bundleOf([next], { sequence: 3n }).stringify())
    expect(await federation!.refresh(PARTNER)).toMatchObject({ state: 'ready', sequence: 3n })
    endpoint.present(await partner.mint(ENDPOINT_ID))
    endpoint.send(bundleOf([partner], { sequence: 4n }).stringify())
    const after = await federation!.refresh(PARTNER)
    expect(after).toMatchObject({ sequence: 3n, lastFailure: { code: 'endpoint-refused' } })
  })

  test('rule 53: that sends no keys ends the trust, also in itself', async () => {
    await follow()
    endpoint.send('{"keys":[],"spiffe_sequence":3}')
    const cleared = await federation!.refresh(PARTNER)
    expect(cleared).toMatchObject({ state: 'ready', x509Authorities: 0, jwtAuthorities: 0 })
    expect(federation!.bundles.get(partner.trustDomain)?.authorities).toEqual([])
    expect(federation!.jwtBundles.get(partner.trustDomain)?.authorities).toEqual([])
    const after = await federation!.refresh(PARTNER)
    expect(after.lastFailure?.code).toBe('endpoint-not-trusted')
    expect(endpoint.requests).toHaveLength(2)
  })
})

describe('rule 51: an endpoint of another trust domain than the one that it serves', () => {
  const HUB_ID = 'spiffe://hub.test/federation'
  let hub: MintedCa

  beforeAll(async () => {
    hub = await mintRootCa('hub.test')
  })

  beforeEach(async () => {
    endpoint.present(await hub.mint(HUB_ID))
  })

  test('is verified against the bundle of its own trust domain, from the source', async () => {
    const source = sourceOf(X509Bundle.of(hub.trustDomain, [hub.certificate]))
    const { bundle: _bundle, ...change } = options({ endpointSpiffeId: HUB_ID })
    federation = await open({ trustDomains: [change], source })
    expect(federation.status(PARTNER)).toMatchObject({ state: 'ready', sequence: 2n })
    expect(federation.bundles.get(hub.trustDomain)).toBeUndefined()
  })

  test('is verified against the bundle that is followed, rather than that of the source', async () => {
    const source = sourceOf(X509Bundle.of(hub.trustDomain, [hub.certificate]))
    await follow({ endpointSpiffeId: HUB_ID }, { source })
    const other = await mintRootCa('hub.test')
    const own = { trustDomain: 'hub.test', endpointSpiffeId: HUB_ID, bundle: bundleOf([other]) }
    await federation!.follow(options(own))
    const after = await federation!.refresh(PARTNER)
    expect(after.lastFailure?.code).toBe('endpoint-refused')
  })

  test('is not verified against the bundle that it serves', async () => {
    const status = await follow({ endpointSpiffeId: HUB_ID })
    expect(status?.lastFailure?.code).toBe('endpoint-not-trusted')
    expect(endpoint.requests).toEqual([])
  })
})

describe('rule 50: a redirect of the profile https_spiffe', () => {
  test('is followed to the same SPIFFE ID, and to no other one', async () => {
    await using same = await Endpoint.serve(await partner.mint(ENDPOINT_ID))
    await using other = await Endpoint.serve(await partner.mint('spiffe://partner.test/web'))
    same.send(bundleOf([partner], { sequence: 5n }).stringify())
    other.send(bundleOf([partner], { sequence: 6n }).stringify())
    let target = same
    endpoint.answer = (_request, response) => {
      response.writeHead(307, { location: target.url() }).end()
    }
    expect(await follow()).toMatchObject({ state: 'ready', sequence: 5n })
    target = other
    const after = await federation!.refresh(PARTNER)
    expect(after).toMatchObject({ sequence: 5n, lastFailure: { code: 'endpoint-refused' } })
    expect(other.requests).toEqual([])
  })
})

describe('rule 49: what is followed', () => {
  const web = { profile: 'https_web', endpointSpiffeId: undefined, bundle: undefined }

  test.each<[string, object]>([
    ['no trust domain', { trustDomain: undefined }],
    ['null for a trust domain', { trustDomain: null }],
    ['no trust domain and https_web', { ...web, trustDomain: undefined }],
    ['null for a trust domain and https_web', { ...web, trustDomain: null }],
    ['a number for a trust domain and https_web', { ...web, trustDomain: 5 }],
    ['a list for a trust domain and https_web', { ...web, trustDomain: [PARTNER] }],
    ['a list for the SPIFFE ID of the endpoint', { endpointSpiffeId: [ENDPOINT_ID] }],
    ['no URL', { url: undefined }],
    ['no profile', { profile: undefined }],
    ['an unknown profile', { profile: 'https' }],
    ['no SPIFFE ID of the endpoint', { endpointSpiffeId: undefined }],
    ['an ID that is none', { endpointSpiffeId: 'partner.test' }],
    ['the ID of a trust domain with a query', { endpointSpiffeId: `${ENDPOINT_ID}?` }],
    ['authorities of the Web PKI', { ca: 'x' }],
    ['a bundle that is none', { bundle: '{}' }],
    ['another kind of bundle', { bundle: {} }],
    ['an ID with https_web', { profile: 'https_web' }],
    ['authorities that are none', { profile: 'https_web', endpointSpiffeId: undefined, ca: 'x' }],
    ['no authorities', { profile: 'https_web', endpointSpiffeId: undefined, ca: [] }],
    ['plain http', { url: 'http://localhost/' }],
  ])('is refused with %s', async (_what, change) => {
    federation = await open({ trustDomains: [] })
    const followed = { ...options(), ...change } as FollowOptions
    await expect(federation.follow(followed)).rejects.toMatchObject({ code: 'invalid-option' })
    const misspelt = { ...options(), endpointSpiffeID: ENDPOINT_ID } as FollowOptions
    await expect(federation.follow(misspelt)).rejects.toMatchObject({ code: 'unknown-option' })
  })

  test('is refused with the bundle of another trust domain', async () => {
    const bundle = bundleOf([await mintRootCa('other.test')])
    await expect(open({ trustDomains: [options({ bundle })] })).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })
})
