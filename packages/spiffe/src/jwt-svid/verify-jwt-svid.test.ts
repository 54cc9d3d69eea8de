import { describe, expect, test } from '@jest/globals'
import { BundleSet } from '../bundle/bundle-set.ts'
import { jwtJwk, keyPairOf } from '../bundle/bundle.test.support.ts'
import { Bundle } from '../bundle/bundle.ts'
import { JwtBundle } from '../bundle/jwt-bundle.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import type { JwtSvidAlgorithm } from './algorithms.ts'
import { jwtRefusalCodes } from './refusal.ts'
import {
  AUDIENCE,
  authority,
  bundleOf,
  GOOD,
  keyNameOf,
  NOW,
  SECONDS,
  tokenOf,
  verdictOn,
  verification,
  WEB,
} from './jwt.test.support.ts'
import { verifyJwtSvid } from './verify-jwt-svid.ts'

const ALGORITHMS: readonly JwtSvidAlgorithm[] = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
]

describe('a JWT-SVID is accepted', () => {
  test('with its identity, audience, times, claims and authority', async () => {
    const claims = { aud: [AUDIENCE, 'other'], scope: ['a', { b: 1 }] }
    const verdict = await verification(tokenOf({ claims }), GOOD, { clockSkewMs: 1000 })
    if (!verdict.ok) throw new Error(verdict.message)
    const { svid } = verdict
    expect(svid.spiffeId.toString()).toBe(WEB)
    expect(svid.audience).toEqual([AUDIENCE, 'other'])
    expect(svid.expiresAt).toBe(NOW + 300_000)
    expect(svid.validUntil).toBe(NOW + 301_000)
    expect(svid.claims).toMatchObject({ sub: WEB, scope: ['a', { b: 1 }] })
    expect(svid.authority).toBe(GOOD.find('1'))
  })

  test.each(ALGORITHMS)('rule 83: signed with %s', async (algorithm) => {
    const bundle = bundleOf(authority('1', keyNameOf(algorithm)))
    expect(await verdictOn(tokenOf({ algorithm }), bundle)).toBe('accepted')
  })

  test.each([{ alg: 'ES256' }, { alg: 'ES256', kid: '1' }, { alg: 'ES256', typ: 'JOSE' }])(
    'rule 85: with the header %j',
    async (header) => {
      expect(await verdictOn(tokenOf({ header }))).toBe('accepted')
    },
  )

  test('rule 84: without kid, if any key of the bundle that fits made the signature', async () => {
    const token = tokenOf({ header: { alg: 'ES256' } })
    const others = [
      authority('2', 'P-384/one'),
      authority('3', 'P-256/two'),
      authority('4', 'RSA2048/one'),
    ]
    expect(await verdictOn(token, bundleOf(...others, authority('1')))).toBe('accepted')
    expect(await verdictOn(token, bundleOf(...others))).toBe('bad-signature')
    expect(await verdictOn(token, bundleOf(authority('2', 'P-384/one')))).toBe('key-mismatch')
  })

  test('rule 87: with one audience as a string, or any of several', async () => {
    expect(await verdictOn(tokenOf({ claims: { aud: AUDIENCE } }))).toBe('accepted')
    const options = { audience: ['a', 'b'], clock: () => NOW }
    const verdict = await verifyJwtSvid(
      tokenOf({ claims: { aud: 'b' } }),
      BundleSet.of(GOOD),
      options,
    )
    expect(verdict.ok).toBe(true)
  })

  test('and the verdict cannot be changed', async () => {
    const verdict = await verification(tokenOf({ claims: { scope: ['a', { b: [1] }] } }))
    const seen: unknown[] = [verdict]
    for (const value of seen) {
      if (typeof value !== 'object' || value === null || value === GOOD.find('1')) continue
      expect(Object.isFrozen(value)).toBe(true)
      seen.push(...(Object.values(value) as unknown[]))
    }
    expect(seen.length).toBeGreaterThan(10)
    expect(Object.isFrozen(await verification('x'))).toBe(true)
  })
})

const verdictAt = (claims: Record<string, unknown>, clockSkewMs: number): Promise<string> =>
  verdictOn(tokenOf({ claims }), GOOD, { clockSkewMs })

describe('a JWT-SVID is refused', () => {
  test.each([
    ['rule 83: alg is absent', { kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is none', { alg: 'none', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is NONE', { alg: 'NONE', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is HS256', { alg: 'HS256', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is EdDSA', { alg: 'EdDSA', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is ES256K', { alg: 'ES256K', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is es256', { alg: 'es256', kid: '1' }, 'algorithm-not-allowed'],
    ['rule 83: alg is a list', { alg: ['ES256'], kid: '1' }, 'algorithm-not-allowed'],
    ['rule 85: typ is jwt', { alg: 'ES256', typ: 'jwt' }, 'type-not-allowed'],
    ['rule 85: typ is at+jwt', { alg: 'ES256', typ: 'at+jwt' }, 'type-not-allowed'],
    ['rule 91: typ is wit+jwt', { alg: 'ES256', kid: '1', typ: 'wit+jwt' }, 'type-not-allowed'],
    ['rule 85: typ is empty', { alg: 'ES256', typ: '' }, 'type-not-allowed'],
    ['rule 85: typ is null', { alg: 'ES256', typ: null }, 'type-not-allowed'],
    ['rule 85: crit names an extension', { alg: 'ES256', crit: ['x'], x: 1 }, 'critical-header'],
    ['rule 85: crit names b64', { alg: 'ES256', crit: ['b64'], b64: true }, 'critical-header'],
    ['rule 85: crit is empty', { alg: 'ES256', crit: [] }, 'critical-header'],
    ['rule 85: jku is there', { alg: 'ES256', jku: 'https://x' }, 'unknown-header'],
    ['rule 85: jwk is there', { alg: 'ES256', jwk: jwtJwk('1') }, 'unknown-header'],
    ['rule 85: x5u is there', { alg: 'ES256', x5u: 'https://x' }, 'unknown-header'],
    ['rule 85: x5c is there', { alg: 'ES256', x5c: ['AAAA'] }, 'unknown-header'],
    ['rule 85: x5t is there', { alg: 'ES256', x5t: 'AAAA' }, 'unknown-header'],
    ['rule 85: cty is there', { alg: 'ES256', cty: 'JWT' }, 'unknown-header'],
    ['rule 85: zip is there', { alg: 'ES256', zip: 'DEF' }, 'unknown-header'],
    ['rule 85: a private member is there', { alg: 'ES256', x: 1 }, 'unknown-header'],
    ['kid is a number', { alg: 'ES256', kid: 1 }, 'malformed'],
    ['kid is null', { alg: 'ES256', kid: null }, 'malformed'],
    ['kid is empty', { alg: 'ES256', kid: '' }, 'unknown-key'],
    ['kid is unknown', { alg: 'ES256', kid: '2' }, 'unknown-key'],
  ] as const)('if %s', async (_, header, code) => {
    expect(await verdictOn(tokenOf({ header }))).toBe(code)
  })

  test.each([
    ['rule 86: sub is absent', { sub: undefined }, 'missing-claim'],
    ['rule 86: sub is no SPIFFE ID', { sub: 'web' }, 'invalid-spiffe-id'],
    ['rule 86: sub is null', { sub: null }, 'invalid-spiffe-id'],
    ['rule 86: sub is a list', { sub: [WEB] }, 'invalid-spiffe-id'],
    ['rule 86: sub has a query', { sub: `${WEB}?a` }, 'invalid-spiffe-id'],
    ['rule 86: sub has a dot segment', { sub: 'spiffe://example.org/../web' }, 'invalid-spiffe-id'],
    [
      'rule 86: sub has an upper-case trust domain',
      { sub: 'spiffe://Example.org/web' },
      'invalid-spiffe-id',
    ],
    ['rule 86: sub has 2049 bytes', { sub: WEB.padEnd(2049, 'x') }, 'invalid-spiffe-id'],
    [
      'rule 86: its trust domain has no bundle',
      { sub: 'spiffe://other.org/web' },
      'unknown-trust-domain',
    ],
    ['rule 87: aud is absent', { aud: undefined }, 'missing-claim'],
    ['rule 87: aud is empty', { aud: [] }, 'missing-claim'],
    ['rule 87: aud is another one', { aud: ['other'] }, 'wrong-audience'],
    ['rule 87: aud is an empty string', { aud: '' }, 'wrong-audience'],
    ['rule 87: aud differs in case', { aud: 'Orders' }, 'wrong-audience'],
    ['rule 87: aud begins with the name', { aud: 'orders2' }, 'wrong-audience'],
    ['rule 87: aud is an object', { aud: { orders: true } }, 'invalid-claim'],
    ['rule 87: aud is null', { aud: null }, 'invalid-claim'],
    ['rule 87: aud has a number', { aud: [AUDIENCE, 1] }, 'invalid-claim'],
    [
      'rule 87: aud has too many',
      { aud: Array.from({ length: 65 }, () => AUDIENCE) },
      'too-many-claims',
    ],
    ['rule 88: exp is absent', { exp: undefined }, 'missing-claim'],
    ['rule 88: exp is past', { exp: SECONDS - 1 }, 'expired'],
    ['rule 88: exp is now', { exp: SECONDS }, 'expired'],
    ['rule 88: exp is a string', { exp: `${SECONDS + 300}` }, 'invalid-claim'],
    ['rule 88: exp is null', { exp: null }, 'invalid-claim'],
    ['rule 88: exp is negative', { exp: -1 }, 'invalid-claim'],
    ['rule 88: exp is beyond the year 9999', { exp: 253_402_300_800 }, 'invalid-claim'],
    ['rule 88: exp is in milliseconds', { exp: NOW }, 'invalid-claim'],
    ['rule 88: nbf is to come', { nbf: SECONDS + 1 }, 'not-yet-valid'],
    ['rule 88: nbf is a string', { nbf: '0' }, 'invalid-claim'],
    ['rule 88: iat is more than a minute away', { iat: SECONDS + 61 }, 'not-yet-valid'],
    ['rule 88: iat is true', { iat: true }, 'invalid-claim'],
    [
      'there are too many claims',
      Object.fromEntries(Array.from({ length: 61 }, (_, at) => [`c${at}`, at])),
      'too-many-claims',
    ],
  ] as const)('if %s', async (_, claims, code) => {
    expect(await verdictOn(tokenOf({ claims }))).toBe(code)
  })

  test('rule 88: later and earlier by as much as the option allows, and no more', async () => {
    expect(await verdictAt({ exp: SECONDS - 9 }, 10_000)).toBe('accepted')
    expect(await verdictAt({ exp: SECONDS - 10 }, 10_000)).toBe('expired')
    expect(await verdictAt({ exp: SECONDS + 0.5 }, 0)).toBe('accepted')
    expect(await verdictAt({ nbf: SECONDS + 10 }, 10_000)).toBe('accepted')
    expect(await verdictAt({ nbf: SECONDS + 11 }, 10_000)).toBe('not-yet-valid')
    expect(await verdictAt({ nbf: SECONDS, iat: SECONDS + 60 }, 0)).toBe('accepted')
    expect(await verdictOn(tokenOf(), GOOD, { now: Number.NaN })).toBe('expired')
  })

  test('rule 89: if the key is of another trust domain, another type or another curve', async () => {
    const other = JwtBundle.of(TrustDomain.parse('other.org'), [authority('1')])
    const own = bundleOf(authority('1', 'P-256/two'))
    const options = { audience: AUDIENCE, clock: () => NOW }
    const both = BundleSet.of(own, other)
    expect(await verifyJwtSvid(tokenOf(), both, options)).toMatchObject({ code: 'bad-signature' })
    for (const name of ['P-384/one', 'P-521/one', 'RSA2048/one']) {
      expect(await verdictOn(tokenOf(), bundleOf(authority('1', name)))).toBe('key-mismatch')
    }
    expect(await verdictOn(tokenOf({ algorithm: 'RS256' }), GOOD)).toBe('key-mismatch')
    expect(await verdictOn(tokenOf({ algorithm: 'ES384' }), GOOD)).toBe('key-mismatch')
  })

  test('rule 89: if the bundle has the key for another use, or for another algorithm', async () => {
    const keys = [jwtJwk('1', { use: 'x509-svid' }), jwtJwk('1', { use: 'wit-svid' })]
    const text = JSON.stringify({ keys: [...keys, jwtJwk('2', {}, 'P-256/two')] })
    const { jwt } = Bundle.parse(GOOD.trustDomain, text)
    expect(await verdictOn(tokenOf(), jwt)).toBe('unknown-key')
    expect(await verdictOn(tokenOf({ header: { alg: 'ES256' } }), jwt)).toBe('bad-signature')
    const limited = bundleOf(authority('1', 'RSA2048/one', { alg: 'RS256' }))
    expect(await verdictOn(tokenOf({ algorithm: 'RS256' }), limited)).toBe('accepted')
    expect(await verdictOn(tokenOf({ algorithm: 'PS256' }), limited)).toBe('key-mismatch')
  })

  test('if its bundle is empty, or no key made the signature', async () => {
    expect(await verdictOn(tokenOf(), bundleOf())).toBe('empty-bundle')
    const { privateKey } = keyPairOf('P-256/two')
    expect(await verdictOn(tokenOf({ key: privateKey }))).toBe('bad-signature')
  })

  test('rule 84: without kid, if more keys fit than are tried', async () => {
    const many = Array.from({ length: 17 }, (_, at) => authority(`${at + 2}`))
    const token = tokenOf({ header: { alg: 'ES256' } })
    expect(await verdictOn(token, bundleOf(...many))).toBe('too-many-keys')
    expect(await verdictOn(token, bundleOf(...many.slice(1)))).toBe('accepted')
  })

  test('if it is longer than the option allows', async () => {
    const token = tokenOf()
    expect(await verdictOn(token, GOOD, { maxTokenBytes: token.length })).toBe('accepted')
    expect(await verdictOn(token, GOOD, { maxTokenBytes: token.length - 1 })).toBe('too-long')
    expect(await verdictOn('x'.repeat(8193))).toBe('too-long')
  })

  test('with the SPIFFE ID that it claims, and nothing else of the token', async () => {
    const refusal = await verification(
      tokenOf({ claims: { aud: 'TopSecret', scope: 'TopSecret' } }),
    )
    expect(refusal).toMatchObject({ ok: false, code: 'wrong-audience' })
    expect(JSON.stringify(refusal)).not.toContain('TopSecret')
    expect(!refusal.ok && refusal.claimedId?.toString()).toBe(WEB)
  })
})

describe('the options of verifyJwtSvid', () => {
  test.each([
    [{}],
    [{ audience: '' }],
    [{ audience: [] }],
    [{ audience: [''] }],
    [{ audience: [AUDIENCE, 5] }],
    [{ audience: null }],
    [{ audience: AUDIENCE, clockSkewMs: 60_001 }],
    [{ audience: AUDIENCE, clockSkewMs: -1 }],
    [{ audience: AUDIENCE, maxTokenBytes: 0 }],
    [{ audience: AUDIENCE, maxTokenBytes: 65_537 }],
    [{ audience: AUDIENCE, clock: NOW }],
  ])('cannot be %j', async (options) => {
    // @ts-expect-error what only a caller without types can do
    await expect(verifyJwtSvid(tokenOf(), BundleSet.of(GOOD), options)).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })

  test('have no others', async () => {
    const options = { audience: AUDIENCE, leeway: 5 }
    await expect(verifyJwtSvid(tokenOf(), BundleSet.of(GOOD), options)).rejects.toMatchObject({
      code: 'unknown-option',
    })
  })
})

test('each refusal code is one', () => {
  expect(new Set(jwtRefusalCodes).size).toBe(jwtRefusalCodes.length)
  expect(Object.isFrozen(jwtRefusalCodes)).toBe(true)
})
