import type { MintedCertificate } from '@fastify-spiffe/authority'
import { matchAny, matchMemberOf, SpiffeId } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import type { CallChain } from '@fastify-spiffe/plugin-kit'
import { Chains, type ChainsOptions } from '../chains.ts'
import {
  A,
  B,
  bundlesOf,
  C,
  certificatesField,
  D,
  E,
  forgeToken,
  HeldSource,
  makeDomain,
  mint,
  NOW,
  NOW_SECONDS,
  peerNamed,
  serviceWith,
  svidOf,
  type Domain,
  type Service,
} from '../scene.test.helper.ts'
import type { ChainHeaders } from './chain-sender.ts'

let domain: Domain
let minted: ReadonlyMap<string, MintedCertificate>

beforeAll(async () => {
  domain = await makeDomain()
  const ids = [A, B, C, D, E]
  const all = await Promise.all(ids.map(async (id) => [id, await mint(domain, id)] as const))
  minted = new Map(all)
})

function serviceOf(id: string, options: Partial<ChainsOptions> = {}): Service {
  return serviceWith(minted.get(id)!, domain, {
    handTo: [matchMemberOf('example.org')],
    ...options,
  })
}

function fieldsOf(headers: ChainHeaders): { chain: string[]; certificates: string[] } {
  return { chain: [headers['svid-chain']], certificates: [headers['svid-chain-certs']] }
}

/** The claims of the token that a service gives B. */
function claims({ chains }: Service): { exp: number } {
  const [, payload = ''] = chains.headersFor(B, null)['svid-chain'].split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

/** What a service makes of the headers that a caller sent. */
function received(to: Service, headers: ChainHeaders, caller: string): CallChain {
  const verification = to.chains.verify(fieldsOf(headers), peerNamed(caller))
  if (!verification.ok) throw new Error(verification.code)
  if (verification.chain === null) throw new Error('no chain')
  return verification.chain
}

function fails(code: string, act: () => unknown): void {
  expect(act).toThrow(expect.objectContaining({ code, name: 'ChainError' }))
}

describe('the headers of a call', () => {
  test('begin a chain, which each service continues, and the fourth receiver reads in order', () => {
    const [a, b, c, d] = [serviceOf(A), serviceOf(B), serviceOf(C), serviceOf(D)]
    const atB = received(b, a.chains.headersFor(B, null), A)
    expect(atB).toMatchObject({ depth: 1, via: [], evidence: 'signed', act: { sub: A } })
    expect(String(atB.origin)).toBe(A)
    const atC = received(c, b.chains.headersFor(C, atB), B)
    expect(atC.act).toEqual({ sub: A, act: { sub: B } })
    const atD = received(d, c.chains.headersFor(D, atC), C)
    expect([atD.origin, ...atD.via, atD.caller].map(String)).toEqual([A, B, C])
    expect(atD.act).toEqual({ sub: A, act: { sub: C, act: { sub: B } } })
    expect(atD.validUntil).toBe(NOW + 120_000)
    expect(Object.isFrozen(atD) && Object.isFrozen(atD.via) && Object.isFrozen(atD.act)).toBe(true)
    expect(JSON.parse(JSON.stringify(atD))).toEqual({
      origin: A,
      via: [B],
      caller: C,
      evidence: 'signed',
      validUntil: NOW + 120_000,
    })
  })

  test('are what anybody can write who knows the format', () => {
    const headers = serviceOf(A).chains.headersFor(B, null)
    const [header, payload] = headers['svid-chain'].split('.').slice(0, 2)
    const expected = forgeToken(minted.get(A)!, A, B, null).split('.')
    expect([header, payload]).toEqual(expected.slice(0, 2))
    expect(headers['svid-chain-certs']).toBe(certificatesField(minted.get(A)!))
    expect(Object.keys(headers)).toEqual(['svid-chain', 'svid-chain-certs'])
    expect(Object.isFrozen(headers)).toBe(true)
  })

  test('of four hops fit, and have each certificate once', () => {
    const path = [A, B, C, D, E]
    let chain: CallChain | null = null
    let headers: ChainHeaders | undefined
    for (const [index, id] of path.slice(0, -1).entries()) {
      headers = serviceOf(id).chains.headersFor(path[index + 1]!, chain)
      chain = received(serviceOf(path[index + 1]!), headers, id)
    }
    const certificates = headers!['svid-chain-certs'].split(', ')
    expect(certificates).toHaveLength(5)
    expect(new Set(certificates).size).toBe(5)
    expect(headers!['svid-chain'].length).toBeLessThan(2048)
    fails('chain-too-deep', () => serviceOf(E).chains.headersFor(A, chain))
  })

  test('carry on no certificate that was merely sent', () => {
    const [a, b, c] = [serviceOf(A), serviceOf(B), serviceOf(C)]
    const stuffed = certificatesField(minted.get(A)!, minted.get(D)!, minted.get(E)!)
    const sent = { ...a.chains.headersFor(B, null), 'svid-chain-certs': stuffed }
    const headers = b.chains.headersFor(C, received(b, sent, A))
    expect(headers['svid-chain-certs']).toBe(certificatesField(minted.get(A)!, minted.get(B)!))
    expect(String(received(c, headers, B).origin)).toBe(A)
  })
})

describe('a token', () => {
  test('is reused for half of its life, for one audience, one chain and one SVID', async () => {
    const b = serviceOf(B)
    const inbound = received(b, serviceOf(A).chains.headersFor(B, null), A)
    const headers = b.chains.headersFor(C, inbound)
    b.now = NOW + 59_999
    expect(b.chains.headersFor(C, inbound)).toBe(headers)
    expect(b.chains.headersFor(SpiffeId.parse(C), inbound)).toBe(headers)
    expect(b.chains.headersFor(D, inbound)).not.toBe(headers)
    expect(b.chains.headersFor(C, null)).not.toBe(headers)
    b.now = NOW + 60_000
    const later = b.chains.headersFor(C, inbound)
    expect(later).not.toBe(headers)
    b.now = NOW + 59_000
    expect(b.chains.headersFor(C, inbound)).not.toBe(later)
    b.now = NOW + 60_000
    b.source.svid = svidOf(await mint(domain, B))
    expect(b.chains.headersFor(C, inbound)).not.toBe(later)
  })

  test('lives 120 s, or as long as the option says, and never beyond the SVID', async () => {
    expect(claims(serviceOf(A)).exp).toBe(NOW_SECONDS + 120)
    expect(claims(serviceOf(A, { tokenLifetimeMs: 300_000 })).exp).toBe(NOW_SECONDS + 300)
    const brief = serviceOf(A)
    brief.source.svid = svidOf(await mint(domain, A, { notAfter: NOW + 30_000 }))
    expect(claims(brief).exp).toBe(NOW_SECONDS + 30)
    brief.now = NOW + 26_000
    fails('no-svid', () => brief.chains.headersFor(C, null))
  })
})

describe('no headers are made', () => {
  test('for an audience that handTo does not name, which is everybody by default', () => {
    const a = serviceOf(A, { handTo: [B, 'spiffe://example.org/acme/led*'] })
    expect(a.chains.headersFor(B, null)).toBeDefined()
    expect(a.chains.headersFor(C, null)).toBeDefined()
    fails('not-handed-to', () => a.chains.headersFor(D, null))
    fails('not-handed-to', () => a.chains.headersFor('spiffe://partner.test/acme/checkout', null))
    const source = new HeldSource(svidOf(minted.get(A)!), bundlesOf(domain))
    fails('not-handed-to', () => new Chains({ source }).headersFor(B, null))
  })

  test.each(['spiffe://example.org/acme/*', 'spiffe://example.org', 'https://ledger', '', null])(
    'for %j, who is not one workload',
    (audience) => {
      fails('invalid-audience', () => serviceOf(A).chains.headersFor(audience ?? '', null))
    },
  )

  test('without an SVID, or with one of another SPIFFE ID than the one that was called', () => {
    const b = serviceOf(B)
    const inbound = received(b, serviceOf(A).chains.headersFor(B, null), A)
    b.source.svid = svidOf(minted.get(D)!)
    fails('no-svid', () => b.chains.headersFor(C, inbound))
    b.source.svid = null
    fails('no-svid', () => b.chains.headersFor(C, inbound))
    fails('no-svid', () => b.chains.headersFor(C, null))
  })

  test('with a key that signs in TLS alone', async () => {
    const a = serviceOf(A)
    a.source.svid = svidOf(await mint(domain, A, { keyType: 'rsa-2048' }))
    fails('key-unsupported', () => a.chains.headersFor(B, null))
  })

  test('for a chain that ends within 5 s, or that is not trusted any more, whether or not it was continued before', () => {
    const b = serviceOf(B)
    const inbound = received(b, serviceOf(A).chains.headersFor(B, null), A)
    b.chains.headersFor(C, inbound)
    b.now = NOW + 115_000
    fails('chain-expired', () => b.chains.headersFor(C, inbound))
    fails('chain-expired', () => b.chains.headersFor(D, inbound))
    b.now = NOW
    b.source.bundles = bundlesOf()
    fails('chain-expired', () => b.chains.headersFor(C, inbound))
  })

  test('for a copy of a chain, which has none of its tokens', () => {
    const b = serviceOf(B)
    const inbound = received(b, serviceOf(A).chains.headersFor(B, null), A)
    fails('invalid-chain', () => b.chains.headersFor(C, { ...inbound }))
    fails('invalid-chain', () => b.chains.headersFor(C, Object.create(inbound)))
  })

  test('that are larger than receivers accept', async () => {
    const long = `spiffe://example.org/${'a'.repeat(2000)}`
    const a = serviceOf(A)
    a.source.svid = svidOf(await mint(domain, long))
    fails('chain-too-large', () => a.chains.headersFor(`${long.slice(0, -1)}b`, null))
  })
})

test('a chain ends with the first of its certificates', async () => {
  const a = serviceOf(A)
  a.source.svid = svidOf(await mint(domain, A, { notAfter: NOW + 100_000 }))
  const inbound = received(serviceOf(B), a.chains.headersFor(B, null), A)
  expect(inbound.validUntil).toBe(NOW + 100_000)
})

test.each([
  ['unknown-option', { hand: [] }],
  ['invalid-option', { handTo: 'spiffe://example.org/a' }],
  ['invalid-option', { handTo: ['spiffe://example.org'] }],
  ['invalid-option', { handTo: [matchAny()] }],
  ['invalid-option', { tokenLifetimeMs: 300_001 }],
  ['invalid-option', { clock: 1 }],
  ['invalid-option', { source: {} }],
  ['invalid-option', { clockSkewMs: -1 }],
  ['invalid-option', { revocation: 'hard' }],
])('the code %s refuses the options %j', (code, options) => {
  fails(code, () => serviceOf(A, options as never))
})
