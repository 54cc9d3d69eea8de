import type { MintedCertificate } from '@fastify-spiffe/authority'
import { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import type { ChainsOptions } from './chains.ts'
import {
  A,
  B,
  C,
  certificatesField,
  D,
  E,
  forgeToken,
  makeDomain,
  malleated,
  mint,
  NOW,
  NOW_SECONDS,
  peerNamed,
  serviceWith,
  sha256,
  type Domain,
  type Forgery,
  type Service,
} from './scene.test.helper.ts'
import type { ChainHeaders } from './send/chain-sender.ts'
import { SingleUses } from './verify/single-uses.ts'
import { contentDigest } from './wire/content-digest.ts'
import type { RelayedRequest } from './wire/request-hash.ts'
import { readToken, type HopClaims } from './wire/token.ts'

const RELAY = E
const REQUEST: RelayedRequest = { method: 'POST', target: '/entries?book=1' }

let domain: Domain
let minted: ReadonlyMap<string, MintedCertificate>

beforeAll(async () => {
  domain = await makeDomain()
  const all = [A, B, C, D, E].map(async (id) => [id, await mint(domain, id)] as const)
  minted = new Map(await Promise.all(all))
})

function serviceOf(id: string, options: Partial<ChainsOptions> = {}): Service {
  return serviceWith(minted.get(id)!, domain, { handTo: [B, C, D], relays: [RELAY], ...options })
}

interface Presented {
  readonly headers: ChainHeaders
  readonly by?: string
  readonly to?: Service
  readonly request?: RelayedRequest | null
}

/** What C, or another, makes of headers that a relay, or another, presents. */
function present({ headers, by = RELAY, to = serviceOf(C), request = REQUEST }: Presented) {
  const fields = {
    chain: [headers['svid-chain']],
    certificates: [headers['svid-chain-certs']],
  }
  return to.chains.verify(fields, peerNamed(by), request)
}

function verdict(presented: Presented): string {
  const verification = present(presented)
  return verification.ok ? 'accepted' : verification.code
}

/** From A for C, for one request. */
function bound(request: RelayedRequest = REQUEST): ChainHeaders {
  return serviceOf(A).chains.headersFor(C, null, request)
}

/** A token of A for C, written by hand. */
function forged(forgery: Forgery): ChainHeaders {
  const a = minted.get(A)!
  return {
    'svid-chain': forgeToken(a, A, C, null, { exp: NOW_SECONDS + 60, ...forgery }),
    'svid-chain-certs': certificatesField(a),
  }
}

const DIGEST = contentDigest('{"amount":1}')
// Of 32 octets the last character has two bits that count nothing.
const spoiltDigest = DIGEST.replace(
  /.=:$/,
  (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=:`,
)
const JTI = 'A'.repeat(22)
const REQ = sha256('POST\n/entries?book=1\n')

describe('a token for one request', () => {
  test('names the request by its hash, has a number of 16 octets, lives 60 s, and is never reused', () => {
    const a = serviceOf(A)
    const [one, other] = [1, 2].map(() => {
      return readToken(a.chains.headersFor(C, null, REQUEST)['svid-chain'])!.claims
    })
    expect(one).toMatchObject({ iat: NOW_SECONDS, exp: NOW_SECONDS + 60, prv: null })
    expect(one!.singleUse?.req).toBe(REQ)
    expect(Buffer.from(one!.singleUse!.jti, 'base64url')).toHaveLength(16)
    expect(one!.singleUse!.jti).not.toBe(other!.singleUse!.jti)
    const digest = { ...REQUEST, contentDigest: DIGEST }
    const token = readToken(bound(digest)['svid-chain'])!
    expect(token.claims.singleUse?.req).toBe(sha256(`POST\n/entries?book=1\n${DIGEST}`))
  })

  test('is accepted from a listed relay, which is the caller, and names its signer as the origin', () => {
    const verification = present({ headers: bound() })
    expect(verification).toMatchObject({
      ok: true,
      chain: { evidence: 'signed', depth: 2, via: [], validUntil: NOW + 60_000 },
    })
    const chain = verification.ok ? verification.chain : null
    expect([chain?.origin, chain?.caller].map(String)).toEqual([A, RELAY])
    expect(chain?.act).toEqual({ sub: A, act: { sub: RELAY } })
  })

  test('names the hops before its signer, and the signer among those between', () => {
    const b = serviceOf(B)
    const headers = serviceOf(A).chains.headersFor(B, null)
    const inbound = present({ headers, by: A, to: b })
    const chain = inbound.ok ? inbound.chain : null
    const second = present({ headers: b.chains.headersFor(C, chain, REQUEST) })
    if (!second.ok || second.chain === null) throw new Error('no chain')
    expect([second.chain.origin, ...second.chain.via, second.chain.caller].map(String)).toEqual([
      A,
      B,
      RELAY,
    ])
  })

  test('is continued by its receiver, for a caller that is its own', () => {
    const c = serviceOf(C)
    const inbound = present({ headers: bound(), to: c })
    const headers = c.chains.headersFor(D, inbound.ok ? inbound.chain : null)
    const at = present({ headers, by: C, to: serviceOf(D) })
    const chain = at.ok ? at.chain : null
    expect([chain?.origin, chain?.caller].map(String)).toEqual([A, C])
  })

  test('is accepted from its signer, as often as it comes, with and without a request', () => {
    const [headers, to] = [bound(), serviceOf(C)]
    expect(verdict({ headers, by: A, to })).toBe('accepted')
    expect(verdict({ headers, by: A, to, request: null })).toBe('accepted')
    // The relay gets nothing from what is remembered of its signer.
    expect(verdict({ headers, to, request: { ...REQUEST, target: '/' } })).toBe(
      'chain-request-mismatch',
    )
    expect(verdict({ headers, to })).toBe('accepted')
    expect(verdict({ headers, to })).toBe('chain-replayed')
  })
})

describe('a relay can do nothing but pass a request on, once:', () => {
  test('a peer that is not listed presents the token', () => {
    expect(verdict({ headers: bound(), by: D })).toBe('chain-caller-mismatch')
    expect(verdict({ headers: bound(), to: serviceOf(C, { relays: [] }) })).toBe(
      'chain-caller-mismatch',
    )
  })

  test('the token is for no request, also when it is known from its signer', () => {
    const [headers, to] = [serviceOf(A).chains.headersFor(C, null), serviceOf(C)]
    expect(verdict({ headers, to })).toBe('chain-caller-mismatch')
    expect(verdict({ headers, by: A, to })).toBe('accepted')
    expect(verdict({ headers, to })).toBe('chain-caller-mismatch')
  })

  test('nothing is known of the request', () => {
    expect(verdict({ headers: bound(), request: null })).toBe('chain-caller-mismatch')
  })

  test.each<[string, RelayedRequest]>([
    ['another method', { ...REQUEST, method: 'PUT' }],
    ['the method in lower case', { ...REQUEST, method: 'post' }],
    ['another path', { ...REQUEST, target: '/entries/1?book=1' }],
    ['another query', { ...REQUEST, target: '/entries?book=2' }],
    ['an encoded path', { ...REQUEST, target: '/%65ntries?book=1' }],
    ['a digest', { ...REQUEST, contentDigest: DIGEST }],
    ['a line feed that moves the bounds', { method: 'POST', target: '/entries?book=1\n' }],
  ])('the request has %s', (_, request) => {
    const to = serviceOf(C)
    const headers = bound()
    expect(verdict({ headers, to, request })).toBe('chain-request-mismatch')
    expect(verdict({ headers, to })).toBe('accepted')
  })

  test('the token lives longer than 60 s', () => {
    const singleUse = { jti: JTI, req: REQ }
    expect(verdict({ headers: forged({ singleUse }) })).toBe('accepted')
    expect(verdict({ headers: forged({ singleUse, exp: NOW_SECONDS + 61 }) })).toBe(
      'chain-lifetime',
    )
    expect(verdict({ headers: forged({ singleUse, exp: NOW_SECONDS + 120 }) })).toBe(
      'chain-lifetime',
    )
  })

  test('the token comes again, also with another signature that is as good', () => {
    const [headers, to] = [bound(), serviceOf(C)]
    expect(verdict({ headers, to })).toBe('accepted')
    expect(verdict({ headers, to })).toBe('chain-replayed')
    const other = { ...headers, 'svid-chain': malleated(headers['svid-chain']) }
    expect(verdict({ headers: other, to })).toBe('chain-replayed')
    to.now = NOW + 59_999
    expect(verdict({ headers, to })).toBe('chain-replayed')
    to.now = NOW + 60_000
    expect(verdict({ headers, to })).toBe('chain-expired')
    const a = serviceOf(A)
    a.now = NOW + 60_000
    expect(verdict({ headers: a.chains.headersFor(C, null, REQUEST), to })).toBe('accepted')
    // The first is forgotten by now, and the clock is set back.
    to.now = NOW
    expect(verdict({ headers, to })).toBe('chain-expired')
  })

  test('a signature that does not hold uses no token up', () => {
    const singleUse = { jti: JTI, req: REQ }
    const to = serviceOf(C)
    const spoilt = forged({ singleUse, signature: Buffer.alloc(64, 1) })
    expect(verdict({ headers: spoilt, to })).toBe('chain-signature')
    expect(verdict({ headers: forged({ singleUse }), to })).toBe('accepted')
  })

  test.each<[string, { jti?: string; req?: string }]>([
    ['req without jti', { req: REQ }],
    ['jti without req', { jti: JTI }],
    ['a jti of another length', { jti: `${JTI}A`, req: REQ }],
    ['bits of jti that nobody reads', { jti: `${JTI.slice(1)}B`, req: REQ }],
    ['bits of req that nobody reads', { jti: JTI, req: `${'A'.repeat(42)}B` }],
  ])('the token has %s', (_, singleUse) => {
    expect(verdict({ headers: forged({ singleUse }) })).toBe('chain-malformed')
  })

  test('the origin of a chain is for the relay, and the last token is not', () => {
    const b = serviceOf(B)
    const inbound = present({
      headers: serviceOf(A).chains.headersFor(B, null, REQUEST),
      by: A,
      to: b,
    })
    const headers = b.chains.headersFor(C, inbound.ok ? inbound.chain : null)
    expect(verdict({ headers })).toBe('chain-caller-mismatch')
    expect(verdict({ headers, by: B })).toBe('accepted')
  })
})

function claims(jti: number, exp = NOW_SECONDS + 60): HopClaims {
  const text = Buffer.alloc(16, jti).toString('base64url')
  const token = forged({ exp, singleUse: { jti: text, req: REQ } })['svid-chain']
  return readToken(token)!.claims
}

function claimsOfB(jti: number): HopClaims {
  return { ...claims(jti, NOW_SECONDS + 2), sub: peerNamed(B).spiffeId }
}

describe('what is remembered of relayed tokens', () => {
  test('has a bound, at which further ones are refused until one has ended', () => {
    const uses = new SingleUses(2)
    expect([1, 2, 3].map((jti) => uses.use(claims(jti, NOW_SECONDS + jti), NOW))).toEqual([
      null,
      null,
      'chain-busy',
    ])
    expect(uses.use(claims(2, NOW_SECONDS + 2), NOW)).toBe('chain-replayed')
    expect(uses.use(claims(3, NOW_SECONDS + 3), NOW + 1000)).toBeNull()
    expect(uses.use(claims(4, NOW_SECONDS + 4), NOW + 1000)).toBe('chain-busy')
  })

  test('has a bound for each signer, so that one who sends many keeps nobody else out', () => {
    const uses = new SingleUses(4, 2)
    const many = [1, 2, 3].map((jti) => uses.use(claims(jti, NOW_SECONDS + jti), NOW))
    expect(many).toEqual([null, null, 'chain-busy'])
    expect([1, 2, 3].map((jti) => uses.use(claimsOfB(jti), NOW))).toEqual([
      null,
      null,
      'chain-busy',
    ])
    // One of the two has ended.
    const later = [4, 5].map((jti) => uses.use(claims(jti, NOW_SECONDS + 9), NOW + 1000))
    expect(later).toEqual([null, 'chain-busy'])
    expect(uses.use(claimsOfB(4), NOW + 1000)).toBe('chain-busy')
  })

  test('is a number of one signer: another may have the same', () => {
    const uses = new SingleUses()
    const [ofA, ofB] = [claims(1), { ...claims(1), sub: peerNamed(B).spiffeId }]
    expect([ofA, ofB, ofA].map((each) => uses.use(each, NOW))).toEqual([
      null,
      null,
      'chain-replayed',
    ])
  })

  test('takes nothing that is for no request, or whose end a clock without a time cannot tell', () => {
    const uses = new SingleUses()
    expect(uses.use({ ...claims(1), singleUse: null }, NOW)).toBe('chain-expired')
    expect(uses.use(claims(1), NOW + 60_000)).toBe('chain-expired')
  })
})

test.each<[string, unknown]>([
  ['a method with a space', { method: 'GET /', target: '/' }],
  ['a target with a line feed', { method: 'GET', target: '/\n' }],
  ['no target', { method: 'GET', target: '' }],
  ['no method', { target: '/' }],
  ['a method that is no text', { method: ['GET'], target: '/' }],
  ['a digest with a line feed', { ...REQUEST, contentDigest: `${DIGEST}\n` }],
  ['two digests', { ...REQUEST, contentDigest: `${DIGEST}, ${DIGEST}` }],
  ['a digest of another length', { ...REQUEST, contentDigest: 'sha-256=:AA==:' }],
  ['a digest by another algorithm', { ...REQUEST, contentDigest: DIGEST.replace('256', '1') }],
  ['a digest with bits that nobody reads', { ...REQUEST, contentDigest: spoiltDigest }],
  ['null', null],
  ['a text', 'GET /'],
])('no headers are made for %s as the request', (_, request) => {
  expect(() => serviceOf(A).chains.headersFor(C, null, request as RelayedRequest)).toThrow(
    expect.objectContaining({ code: 'invalid-request', name: 'ChainError' }),
  )
})

test('headers for a request are made for those alone whom handTo names', () => {
  expect(() => serviceOf(A, { handTo: [] }).chains.headersFor(C, null, REQUEST)).toThrow(
    expect.objectContaining({ code: 'not-handed-to' }),
  )
})

test.each<[string, unknown]>([
  ['no list', RELAY],
  ['a trust domain alone', ['spiffe://example.org']],
  ['null', null],
])('the option relays refuses %s', (_, relays) => {
  expect(() => serviceOf(C, { relays: relays as [] })).toThrow(
    expect.objectContaining({ code: 'invalid-option' }),
  )
})

class Odd extends SpiffeIdMatcher {
  readonly matches: () => boolean

  constructor(matches: () => unknown) {
    super()
    this.matches = matches as () => boolean
  }

  override get trustDomains(): ReadonlySet<string> {
    return new Set(['example.org'])
  }

  override toString(): string {
    return 'odd'
  }
}

const broken = (): never => {
  throw new Error('broken')
}

test.each<[string, () => unknown]>([
  ['throws', broken],
  ['answers with a promise', () => Promise.resolve(true)],
  ['answers with a text', () => 'true'],
])('a matcher of the application that %s lists no relay, and nobody to hand to', (_, matches) => {
  const list = [new Odd(matches)]
  expect(verdict({ headers: bound(), to: serviceOf(C, { relays: list }) })).toBe(
    'chain-caller-mismatch',
  )
  expect(() => serviceOf(A, { handTo: list }).chains.headersFor(C, null)).toThrow()
})
