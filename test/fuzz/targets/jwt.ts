import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { BundleSet, JwtBundle, SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier } from '@fastify-spiffe/spiffe/jwt-svid'
import * as fc from 'fast-check'
import { edited, edits } from '../support/mutation.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { jsonFault } from './json.ts'

const NOW = Date.UTC(2026, 0, 1)
const SECONDS = NOW / 1000
const SUBJECT = 'spiffe://example.org/web'

interface Signer {
  readonly kid: string
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

interface Case {
  readonly token: string
  /** Whether it is to be accepted; `null` where no key of the bundle has signed it, unless it is a known one. */
  readonly signedBy: Signer | null
}

const ec = (kid: string, alg: string, namedCurve: string): Signer => ({
  kid,
  alg,
  ...generateKeyPairSync('ec', { namedCurve }),
})
const signers: readonly Signer[] = [
  ec('1', 'ES256', 'P-256'),
  ec('2', 'ES384', 'P-384'),
  { kid: '3', alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
]
const [es256] = signers as readonly [Signer]

function signed(header: string, claims: string, { alg, privateKey }: Signer): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${input}.${sign(`sha${alg.slice(2)}`, Buffer.from(input), key).toString('base64url')}`
}

const CLAIMS = JSON.stringify({ sub: SUBJECT, aud: ['a', 'b'], exp: SECONDS + 60 })
const goods = signers.map((signer) =>
  signed(JSON.stringify({ alg: signer.alg, kid: signer.kid }), CLAIMS, signer),
)

const HEADER_MEMBERS = [
  '"alg":"ES256"',
  '"alg":"ES256"',
  '"alg":"ES256"',
  '"alg":"none"',
  '"alg":"HS256"',
  '"alg":"ES384"',
  '"kid":"1"',
  '"kid":"2"',
  '"kid":null',
  '"typ":"JWT"',
  '"typ":"JOSE"',
  '"typ":"wit+jwt"',
  '"crit":[]',
  '"jwk":{}',
  String.raw`"\u0061lg":"ES256"`,
]
const CLAIM_MEMBERS = [
  `"sub":"${SUBJECT}"`,
  '"sub":"spiffe://other.org/x"',
  '"sub":"spiffe://example.org/../x"',
  '"sub":5',
  '"aud":"a"',
  '"aud":["x","a"]',
  '"aud":["x"]',
  '"aud":["a",5]',
  '"aud":[]',
  `"exp":${SECONDS + 1}`,
  `"exp":${SECONDS}`,
  '"exp":"9"',
  '"exp":1e400',
  `"nbf":${SECONDS}`,
  `"nbf":${SECONDS + 1}`,
  `"iat":${SECONDS + 60}`,
  `"iat":${SECONDS + 61}`,
  '"x":{"a":1,"a":2}',
  '"x":{"a":[{}]}',
]

function objects(members: readonly string[], base: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.subarray([...base], { minLength: Math.max(0, base.length - 1) }),
      fc.array(fc.constantFrom(...members), { maxLength: 2 }),
    )
    .map(([some, more]) => `{${[...some, ...more].join(',')}}`)
}

const BASE_HEADER = ['"alg":"ES256"', '"kid":"1"', '"typ":"JWT"']
const BASE_CLAIMS = [`"sub":"${SUBJECT}"`, '"aud":"a"', `"exp":${SECONDS + 1}`]

const inputs: fc.Arbitrary<Case> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...goods), edits).map(([good, changes]) => ({
      token: edited(Buffer.from(good), changes).toString('latin1'),
      signedBy: null,
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(objects(HEADER_MEMBERS, BASE_HEADER), objects(CLAIM_MEMBERS, BASE_CLAIMS))
      .map(([header, claims]) => ({ token: signed(header, claims, es256), signedBy: es256 })),
  },
  // Parts of several.
  {
    weight: 1,
    arbitrary: fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(...goods))).map((tokens) => ({
      token: tokens.map((each, at) => each.split('.')[at]).join('.'),
      signedBy: null,
    })),
  },
)

const jwkOf = ({ kid, publicKey }: Signer): Members => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
})

/** JWT-SVIDs: what is accepted is octet for octet one that was signed, and good by a judge that has nothing in common with ours. */
export function openJwts(): Target<Case> {
  const trustDomain = TrustDomain.parse('example.org')
  const keys = signers.map(jwkOf)
  const bundle = JwtBundle.fromJwks(trustDomain, JSON.stringify({ keys }))
  const source = { jwtBundles: BundleSet.of(bundle) }
  const verifier = new JwtSvidVerifier({ source, audience: 'a', clock: () => NOW })
  return {
    inputs,
    async read({ token, signedBy }) {
      const isGood = signedBy === null ? goods.includes(token) : isGoodJwt(token)
      const cached = verifier.cached(token)
      const verdict = await verifier.verify(token)
      check(cached === undefined || cached === verdict, 'what is remembered is another verdict')
      check(verdict.ok === isGood, verdict.ok ? 'it is accepted' : `it is refused: ${verdict.code}`)
      if (!verdict.ok) return verdict.code
      check(Object.isFrozen(verdict.svid.claims), 'its claims can be changed')
      check(verifier.cached(token) === verdict, 'it is not remembered')
      return ACCEPTED
    },
    bytesOf: ({ token }) => Buffer.from(token),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Judges a token that the ES256 key has signed. */
function isGoodJwt(token: string): boolean {
  const [header = '', claims = ''] = token
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString())
  if (jsonFault(header) !== null || jsonFault(claims) !== null) return false
  const [read, said] = [header, claims].map((text) => JSON.parse(text) as Members)
  return isGoodHeader(read!) && isForService(said!) && isInTime(said!)
}

type Members = Readonly<Record<string, unknown>>

function isGoodHeader({ alg, kid, typ, ...others }: Members): boolean {
  const isKnown = Object.keys(others).length === 0 && alg === 'ES256'
  return isKnown && [undefined, '1'].includes(kid as string) && isGoodType(typ)
}

function isGoodType(typ: unknown): boolean {
  return typ === undefined || typ === 'JWT' || typ === 'JOSE'
}

function isForService({ sub, aud }: Members): boolean {
  const names = [aud].flat()
  const isText = names.every((name) => typeof name === 'string')
  const isOurs = SpiffeId.safeParse(sub).ok && String(sub).startsWith('spiffe://example.org/')
  return isOurs && isText && names.includes('a')
}

function isInTime({ exp, nbf = 0, iat = 0 }: Members): boolean {
  const isAlive = typeof exp === 'number' && exp > SECONDS
  return isAlive && Number(nbf) <= SECONDS && Number(iat) <= SECONDS + 60
}
