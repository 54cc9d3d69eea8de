import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import {
  Bundle,
  JwtBundle,
  parseBundleMap,
  SpiffeError,
  stringifyBundleMap,
  TrustDomain,
} from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { readCorpus } from '../corpus/corpus.ts'
import { edited, edits } from '../support/mutation.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'
import { jsonFault } from './json.ts'

const DOMAIN = TrustDomain.parse('example.org')

type Members = Readonly<Record<string, unknown>>

const pair = (namedCurve: string): Members =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })

/** Members of keys, which meet in combinations that nobody would write. */
function memberTexts(): fc.Arbitrary<string> {
  const ders = readCorpus().chains.map(({ authority }) => Buffer.from(authority).toString('base64'))
  const points = ['P-256', 'P-256', 'P-384', 'P-521'].map(pair)
  const numbers = [...points, rsa].flatMap((jwk) => Object.entries(jwk))
  const known: readonly (readonly [string, unknown])[] = [
    ...numbers,
    ...['x509-svid', 'jwt-svid', 'wit-svid', 'sig', null].map((use) => ['use', use] as const),
    ...['1', '2', '', 5].map((kid) => ['kid', kid] as const),
    ...ders.slice(0, 5).map((der) => ['x5c', [der]] as const),
    ['x5c', []],
    ['alg', 'ES256'],
    ['d', 'AAAA'],
  ]
  return fc
    .constantFrom(...known)
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
}

const jwtKey = (kid: string, jwk: Members): Members => ({ ...jwk, kid, use: 'jwt-svid' })

function keyTexts(): fc.Arbitrary<string> {
  const ders = readCorpus().chains.map(({ authority }) => Buffer.from(authority).toString('base64'))
  const good = [
    ...ders.slice(0, 3).map((der): Members => ({ kty: 'EC', use: 'x509-svid', x5c: [der] })),
    ...['P-256', 'P-384', 'P-521'].map((curve) => jwtKey(curve, pair(curve))),
    jwtKey('rsa', rsa),
  ]
  return fc
    .tuple(fc.constantFrom(...good), fc.array(memberTexts(), { maxLength: 2 }), fc.nat(20))
    .map(([jwk, more, dropped]) => {
      const members = Object.entries(jwk).map(
        ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
      )
      return `{${[...members.filter((_, index) => index !== dropped), ...more].join(',')}}`
    })
}

const sequences = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 128n }).map(String),
  fc.constantFrom('-1', '1.0', '1e3', '"5"', 'null', '00', '9007199254740993'),
)

function bundleTexts(): fc.Arbitrary<string> {
  const numbers = fc.array(
    fc
      .tuple(fc.constantFrom('spiffe_sequence', 'spiffe_refresh_hint', 'x'), sequences)
      .map(([name, digits]) => `"${name}" : ${digits}`),
    { maxLength: 2 },
  )
  const whole = fc
    .tuple(fc.array(keyTexts(), { maxLength: 4 }), numbers)
    .map(([keys, more]) => `{${[`"keys":[${keys.join(' , ')}]`, ...more].join(',\n')}}`)
  const spoilt = fc
    .tuple(whole, edits)
    .map(([text, changes]) => edited(Buffer.from(text), changes).toString())
  return fc.oneof({ weight: 2, arbitrary: whole }, { weight: 1, arbitrary: spoilt })
}

/** SPIFFE bundles as text. */
export function openBundles(): Target<string> {
  return {
    inputs: bundleTexts(),
    read: (text) =>
      outcomeOf(SpiffeError, () => {
        const bundle = Bundle.parse(DOMAIN, text)
        check(jsonFault(text) === null, `it is read, and has ${jsonFault(text) ?? ''}`)
        const keys = (JSON.parse(text) as { keys: readonly Members[] }).keys
        for (const { raw } of bundle.x509.authorities) {
          const der = raw.toString('base64')
          const isThere = keys.some(
            ({ use, x5c }) => use === 'x509-svid' && Array.isArray(x5c) && x5c[0] === der,
          )
          check(isThere, 'an X.509 authority is of another use, or made up')
        }
        checkJwtAuthorities(bundle.jwt, keys, ['jwt-svid'])
        const { sequence } = bundle
        check(sequence === null || text.includes(`${sequence}`), 'the sequence is not as written')
        checkWritten(bundle)
        const standard = JwtBundle.fromJwks(DOMAIN, text)
        checkJwtAuthorities(standard, keys, ['jwt-svid', undefined])
        JSON.stringify(bundle)
      }),
    bytesOf: (text) => Buffer.from(text),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function checkWritten(bundle: Bundle): void {
  try {
    check(bundle.equals(Bundle.parse(DOMAIN, bundle.stringify())), 'written, it differs')
  } catch (error) {
    if (!(error instanceof SpiffeError)) throw error
    check(error.code === 'invalid-certificate', 'it cannot be written')
    // The key of an authority is off its curve.
    const { authorities } = bundle.x509
    const isSound = authorities.every(({ raw }) => isTakenByOpenSsl(raw))
    check(!isSound, 'OpenSSL takes its keys, and it cannot be written')
  }
}

function isTakenByOpenSsl(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).publicKey.type === 'public'
  } catch {
    return false
  }
}

function checkJwtAuthorities(
  { authorities }: JwtBundle,
  keys: readonly Members[],
  uses: readonly unknown[],
): void {
  for (const { keyId, jwk } of authorities) {
    const isThere = keys.some((key) => {
      if (key['kid'] !== keyId || !uses.includes(key['use']) || key['d'] !== undefined) return false
      return Object.entries(jwk).every(([name, value]) => key[name] === value)
    })
    check(isThere, 'a JWT authority is of another use, private, or made up')
  }
}

/** Bundles of several trust domains as one text. */
export function openBundleMaps(): Target<string> {
  const names = fc.constantFrom('a.org', 'b.org', '127', String.raw`\u0061.org`, 'A.org', '')
  const bundles = fc.oneof(bundleTexts(), fc.constantFrom('{"keys":[]}', '{}', 'null'))
  const texts = fc
    .array(fc.tuple(names, bundles), { maxLength: 3 })
    .map((members) => members.map(([name, text]) => `"${name}" :${text}`).join(' , '))
    .map((members) => `{"trust_domains":{${members}}}`)
  return {
    inputs: texts,
    read: (text) =>
      outcomeOf(SpiffeError, () => {
        const set = parseBundleMap(text)
        check(jsonFault(text) === null, `it is read, and has ${jsonFault(text) ?? ''}`)
        const { trust_domains: members } = JSON.parse(text) as { trust_domains: Members }
        const found = Array.from(set, ({ trustDomain }) => trustDomain.name)
        const named = Object.keys(members).toSorted()
        check(isDeepStrictEqual(found.toSorted(), named), 'others are in it')
        check(set.equals(parseBundleMap(stringifyBundleMap(set))), 'written, it differs')
        for (const bundle of set) check(bundle.refreshHintMs === null, 'it has a refresh hint')
      }),
    bytesOf: (text) => Buffer.from(text),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
