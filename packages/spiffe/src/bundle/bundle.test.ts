import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { refuses } from '../x509/x509.test.support.ts'
import { authorityNamed, jwkOf, jwtJwk, keyPairOf, x509Jwk } from './bundle.test.support.ts'
import { Bundle } from './bundle.ts'
import { JwtAuthority } from './jwt-authority.ts'
import { JwtBundle } from './jwt-bundle.ts'

const domain = TrustDomain.parse('example.org')
const other = TrustDomain.parse('other.org')
const a = authorityNamed('a')
const b = authorityNamed('b')

const parse = (keys: unknown, more = ''): Bundle =>
  Bundle.parse(domain, `{"keys":${JSON.stringify(keys)}${more}}`)

const reasonsOf = ({ ignored }: Bundle): readonly string[] => ignored.map(({ reason }) => reason)

const of = (sequence: bigint | null, refreshHintMs: number | null = null): Bundle =>
  Bundle.of(domain, { sequence, refreshHintMs })

/** Changes a bit of octets in base64url. */
function flip(text: unknown): string {
  const octets = Buffer.from(String(text), 'base64url')
  octets.writeUInt8(octets.readUInt8(5) ^ 1, 5)
  return octets.toString('base64url')
}

describe('a SPIFFE bundle is read', () => {
  test('rule 39: keys may be empty, and must be there as a list of objects', () => {
    const empty = parse([])
    expect(empty.x509.authorities).toEqual([])
    expect(empty.jwt.authorities).toEqual([])
    for (const text of [
      '{}',
      '{"keys":null}',
      '{"keys":{}}',
      '{"keys":[1]}',
      '{"keys":[[]]}',
      '[]',
    ]) {
      refuses('invalid-bundle', () => Bundle.parse(domain, text))
    }
  })

  test('rule 40: a key with an unknown kty, an unknown use or no use is ignored', () => {
    const { use: _use, ...useless } = x509Jwk(a)
    const bundle = parse([
      useless,
      x509Jwk(a, { use: 'sig' }),
      jwtJwk('1', { use: 'X509-SVID' }),
      jwtJwk('1', { use: ['jwt-svid'] }),
      jwtJwk('1', { kty: 'AKP' }),
      x509Jwk(a, { kty: 'oct' }),
      x509Jwk(b),
    ])
    expect(bundle.x509.authorities).toEqual([b])
    expect(bundle.jwt.authorities).toEqual([])
    expect(reasonsOf(bundle)).toEqual([
      'unknown-use',
      'unknown-use',
      'unknown-use',
      'unknown-use',
      'unknown-key-type',
      'unknown-key-type',
    ])
    expect(bundle.ignored[5]).toEqual({ index: 5, reason: 'unknown-key-type' })
  })

  test('rule 41: of x5c the first certificate counts, and without one the key is ignored', () => {
    const [first, second] = [a, b].map(({ raw }) => raw.toString('base64'))
    expect(parse([x509Jwk(a, { x5c: [first, second] })]).x509.authorities).toEqual([a])
    expect(parse([x509Jwk(a, { x5c: [first, 'rubbish'] })]).x509.authorities).toEqual([a])
    for (const x5c of [undefined, [], null, first, {}]) {
      expect(reasonsOf(parse([x509Jwk(a, { x5c })]))).toEqual(['no-certificate'])
    }
  })

  test('a certificate that is not exact, or not of the key, makes its entry ignored', () => {
    const text = a.raw.toString('base64')
    for (const x5c of [
      ['AAAA'],
      [5],
      [`${text}\n`],
      [a.raw.toString('base64url')],
      [text.slice(4)],
    ]) {
      const bundle = parse([x509Jwk(a, { x5c }), x509Jwk(b)])
      expect(reasonsOf(bundle)).toEqual(['invalid-certificate'])
      expect(bundle.x509.authorities).toEqual([b])
    }
    const foreign = jwkOf(keyPairOf('P-256/foreign').publicKey)
    expect(reasonsOf(parse([x509Jwk(a, foreign)]))).toEqual(['certificate-mismatch'])
    expect(reasonsOf(parse([x509Jwk(a, { x: 'AAAA' })]))).toEqual(['certificate-mismatch'])
    const { x5c } = x509Jwk(a)
    expect(parse([{ kty: 'EC', use: 'x509-svid', x5c }]).x509.authorities).toEqual([a])
  })

  test('a key with a private part is ignored, whatever its use', () => {
    const keys = [x509Jwk(a, { d: 'AAAA' }), jwtJwk('1', { d: 'AAAA' })]
    const bundle = parse([...keys, jwtJwk('2', { use: 'wit-svid', d: 'AAAA' })])
    expect(reasonsOf(bundle)).toEqual(['private-key', 'private-key', 'private-key'])
    expect(bundle.stringify()).toBe('{"keys":[]}')
  })

  test('rule 42: a key for JWT-SVIDs has a kid, and one for WIT-SVIDs is kept apart', () => {
    const bundle = parse([
      jwtJwk('1'),
      jwtJwk('2', { kid: undefined }),
      jwtJwk('2', { kid: '' }),
      jwtJwk('2', { kid: 7 }),
      jwtJwk('3', { use: 'wit-svid', secret: 'x' }),
      jwtJwk('4', { use: 'wit-svid', kid: undefined }),
    ])
    expect(bundle.jwt.authorities.map(({ keyId }) => keyId)).toEqual(['1'])
    expect(reasonsOf(bundle)).toEqual(['no-key-id', 'no-key-id', 'no-key-id', 'no-key-id'])
    expect(bundle.witKeys).toEqual([jwtJwk('3', { use: 'wit-svid' })])
    expect(Object.isFrozen(bundle.witKeys) && Object.isFrozen(bundle.witKeys[0])).toBe(true)
  })

  test('rule 76: a key for X.509-SVIDs is no key for JWT-SVIDs, nor the other way', () => {
    const bundle = parse([x509Jwk(a, { kid: '1' }), jwtJwk('2', { x5c: x509Jwk(b)['x5c'] })])
    expect(bundle.x509.authorities).toEqual([a])
    expect(bundle.jwt.authorities.map(({ keyId }) => keyId)).toEqual(['2'])
  })

  test.each([
    ['9007199254740993', 9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['340282366920938463463374607431768211455', 2n ** 128n - 1n],
    ['0', 0n],
    ['7 ', 7n],
  ])('rule 43: the sequence %s is exact', (digits, sequence) => {
    expect(parse([], `,"spiffe_sequence" : ${digits}`).sequence).toBe(sequence)
  })

  test.each(['-1', '1.0', '1e3', '"5"', 'null', '{}', `1${'0'.repeat(39)}`, '-0', 'true'])(
    'a sequence or a refresh hint %s is refused',
    (value) => {
      refuses('invalid-bundle', () => parse([], `,"spiffe_sequence":${value}`))
      refuses('invalid-bundle', () => parse([], `,"spiffe_refresh_hint":${value}`))
    },
  )

  test('rule 44: the refresh hint is in seconds, and may be absent', () => {
    expect(parse([], ',"spiffe_refresh_hint":300').refreshHintMs).toBe(300_000)
    expect(parse([]).refreshHintMs).toBeNull()
    expect(parse([]).sequence).toBeNull()
    refuses('invalid-bundle', () => parse([], ',"spiffe_refresh_hint":9007199254741'))
  })

  test('members of other levels and in strings are not the sequence', () => {
    const bundle = parse(
      [{ spiffe_sequence: 1, use: '"spiffe_sequence":2' }],
      ',"x":{"spiffe_sequence":3},"spiffe\\u005fsequence":4',
    )
    expect(bundle.sequence).toBe(4n)
  })

  test.each([
    ['a member twice', '{"keys":[],"keys":[]}'],
    ['a member twice in other words', '{"keys":[],"\\u006beys":[]}'],
    ['a member of a key twice', '{"keys":[{"use":"sig","use":"jwt-svid"}]}'],
    ['what is no JSON', '{"keys":[]'],
    ['something after it', '{"keys":[]}{}'],
    ['a byte order mark', '\ufeff{"keys":[]}'],
    ['too many levels', `{"keys":[],"x":${'['.repeat(16)}${']'.repeat(16)}}`],
    ['too many keys', `{"keys":[${'{},'.repeat(1000)}{}]}`],
    ['too many octets', `{"keys":[],"x":"${' '.repeat(4 * 1024 * 1024)}"}`],
  ])('with %s it is refused', (_, text) => {
    refuses('invalid-bundle', () => Bundle.parse(domain, text))
    refuses('invalid-bundle', () => Bundle.parse(domain, Buffer.from(text)))
    refuses('invalid-bundle', () => JwtBundle.fromJwks(domain, text))
  })

  test('octets that are not UTF-8 are refused', () => {
    refuses('invalid-bundle', () =>
      Bundle.parse(domain, Buffer.from('7b226b657973223a5b5d2c22ff223a317d', 'hex')),
    )
  })

  test('an error names the trust domain, and quotes nothing', () => {
    try {
      Bundle.parse(domain, '{"keys":[],"TopSecret')
      throw new Error('nothing was thrown')
    } catch (error) {
      expect(error).toBeInstanceOf(SpiffeError)
      expect(String(error)).toContain('example.org')
      expect(String(error)).not.toContain('TopSecret')
    }
  })
})

describe('a JWT authority', () => {
  test.each(['P-256', 'P-384', 'P-521', 'RSA2048'])('may be of %s', (kind) => {
    const jwk = jwtJwk('1', {}, `${kind}/one`)
    const bundle = parse([jwk])
    expect(bundle.jwt.find('1')?.publicKey.equals(keyPairOf(`${kind}/one`).publicKey)).toBe(true)
    expect(bundle.jwt.find('1')?.curve).toBe(kind === 'RSA2048' ? undefined : kind)
    expect(bundle.jwt.authorities[0]?.jwk).toEqual({ ...jwk, use: undefined })
  })

  const rsa = jwtJwk('1', {}, 'RSA2048/one')
  const ec = jwtJwk('1')
  const ed25519 = generateKeyPairSync('ed25519').publicKey
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
  test.each([
    ['Ed25519', 'unknown-key-type', jwkOf(ed25519, { kid: '1', use: 'jwt-svid' })],
    ['a symmetric key', 'private-key', { kty: 'oct', k: 'AAAA', kid: '1', use: 'jwt-svid' }],
    ['secp256k1', 'unsupported-key', { ...ec, crv: 'secp256k1' }],
    ['another curve', 'unsupported-key', { ...ec, crv: 'P-384' }],
    ['a point off the curve', 'unsupported-key', { ...ec, x: flip(ec['x']) }],
    ['a short coordinate', 'unsupported-key', { ...ec, x: String(ec['x']).slice(0, -4) }],
    ['no y', 'unsupported-key', { ...ec, y: undefined }],
    ['a padded coordinate', 'unsupported-key', { ...ec, x: `${String(ec['x'])}=` }],
    ['RSA of 1024 bits', 'unsupported-key', jwkOf(short, { kid: '1', use: 'jwt-svid' })],
    [
      'RSA of 16384 bits',
      'unsupported-key',
      { ...rsa, n: Buffer.alloc(2048, 0xff).toString('base64url') },
    ],
    [
      'an even modulus',
      'unsupported-key',
      { ...rsa, n: Buffer.alloc(256, 0xfe).toString('base64url') },
    ],
    ['a modulus with a leading zero', 'unsupported-key', { ...rsa, n: `AAAA${String(rsa['n'])}` }],
    ['the exponent 1', 'unsupported-key', { ...rsa, e: 'AQ' }],
    ['an even exponent', 'unsupported-key', { ...rsa, e: 'BA' }],
    ['a large exponent', 'unsupported-key', { ...rsa, e: 'AQAAAQ' }],
    ['an empty exponent', 'unsupported-key', { ...rsa, e: '' }],
    ['a private part', 'private-key', { ...ec, d: 'AAAA' }],
    ['key_ops without verify', 'unsupported-key', { ...ec, key_ops: ['sign'] }],
    ['an alg that is no name', 'unsupported-key', { ...ec, alg: 5 }],
  ])('with %s is ignored: %s', (_, reason, jwk) => {
    const bundle = parse([jwk])
    expect(bundle.jwt.authorities).toEqual([])
    expect(reasonsOf(bundle)).toEqual([reason])
    refuses('invalid-key', () => JwtAuthority.fromJwk(jwk))
  })

  test('of which there are two under one key ID makes the bundle unreadable', () => {
    refuses('invalid-bundle', () => parse([jwtJwk('1'), jwtJwk('1', {}, 'P-256/2')]))
    refuses('invalid-bundle', () => parse([jwtJwk('1'), jwtJwk('1', { alg: 'ES256' })]))
    expect(parse([jwtJwk('1'), jwtJwk('1')]).jwt.authorities).toHaveLength(1)
    // One that is ignored anyway has no say.
    expect(parse([jwtJwk('1'), jwtJwk('1', { use: 'sig' }, 'P-256/2')]).ignored).toHaveLength(1)
  })

  test('differs from one with another ID, key or algorithm', () => {
    const one = JwtAuthority.fromJwk(jwtJwk('1'))
    expect(one.equals(JwtAuthority.fromJwk({ ...jwtJwk('1'), key_ops: ['verify'] }))).toBe(true)
    expect(one.equals(JwtAuthority.fromJwk({ ...jwtJwk('1'), kid: '2' }))).toBe(false)
    expect(one.equals(JwtAuthority.fromJwk(jwtJwk('1', {}, 'P-256/2')))).toBe(false)
    expect(one.equals(JwtAuthority.fromJwk(jwtJwk('1', { alg: 'ES256' })))).toBe(false)
    // @ts-expect-error what only a caller without types can do
    refuses('invalid-key', () => JwtAuthority.fromJwk(null))
  })
})

describe('a JSON Web Key Set of the Workload API', () => {
  test('may leave out use, and ignores keys of another one', () => {
    const set = {
      keys: [jwtJwk('1', { use: undefined }), jwtJwk('2', { use: 'sig' }), jwtJwk('3')],
    }
    const bundle = JwtBundle.fromJwks(domain, Buffer.from(JSON.stringify(set)))
    expect(bundle.authorities.map(({ keyId }) => keyId)).toEqual(['1', '3'])
    expect(JwtBundle.fromJwks(domain, bundle.toJwks()).equals(bundle)).toBe(true)
    expect(JwtBundle.fromJwks(other, bundle.toJwks()).equals(bundle)).toBe(false)
    expect(JwtBundle.of(domain, []).equals(bundle)).toBe(false)
    expect(Object.isFrozen(bundle) && Object.isFrozen(bundle.authorities)).toBe(true)
  })
})

describe('a bundle', () => {
  test('is written as it can be read again', () => {
    const bundle = parse(
      [
        x509Jwk(a),
        jwtJwk('1'),
        x509Jwk(b),
        jwtJwk('w', { use: 'wit-svid' }),
        jwtJwk('2', {}, 'RSA2048/one'),
      ],
      ',"spiffe_sequence":18446744073709551615,"spiffe_refresh_hint":60',
    )
    const again = Bundle.parse(domain, bundle.stringify())
    expect(again.equals(bundle)).toBe(true)
    expect(again.stringify()).toBe(bundle.stringify())
    expect(again.ignored).toEqual([])
    expect(again.x509.authorities).toEqual([a, b])
    expect(Bundle.of(domain, {}).stringify()).toBe('{"keys":[]}')
  })

  test('cannot be written with a key that is off its curve', () => {
    const der = Buffer.from(a.raw)
    const { spki } = a.publicKey
    const point = der.indexOf(spki.subarray(-64))
    der.writeUInt8(der.readUInt8(point) ^ 1, point)
    const bundle = parse([{ kty: 'EC', use: 'x509-svid', x5c: [der.toString('base64')] }])
    expect(bundle.x509.authorities).toHaveLength(1)
    refuses('invalid-certificate', () => bundle.stringify())
  })

  test('rule 46: replaces what is held unless its sequence is lower', () => {
    expect(of(5n).replaces(undefined)).toBe(true)
    expect(of(5n).replaces(of(4n))).toBe(true)
    expect(of(5n).replaces(of(5n))).toBe(true)
    expect(of(9007199254740992n).replaces(of(9007199254740993n))).toBe(false)
    expect(of(5n).replaces(of(6n))).toBe(false)
    expect(of(null).replaces(of(6n))).toBe(true)
    expect(of(5n).replaces(of(null))).toBe(true)
    refuses('invalid-bundle', () => of(5n).replaces(Bundle.of(other, {})))
  })

  test('rule 53: that is empty replaces one that is not', () => {
    const held = parse([x509Jwk(a), jwtJwk('1')], ',"spiffe_sequence":1')
    const empty = parse([], ',"spiffe_sequence":2')
    expect(empty.replaces(held)).toBe(true)
    expect(empty.x509.authorities.length + empty.jwt.authorities.length).toBe(0)
  })

  test('is put together from parts of its own trust domain', () => {
    const x509 = X509Bundle.of(domain, [a])
    const bundle = Bundle.of(domain, { x509, sequence: 3n, refreshHintMs: 5000 })
    expect(bundle.x509).toBe(x509)
    expect(JSON.parse(JSON.stringify(bundle))).toMatchObject({ sequence: '3', refreshHintMs: 5000 })
    refuses('invalid-bundle', () => Bundle.of(other, { x509 }))
    refuses('invalid-bundle', () => Bundle.of(domain, { jwt: JwtBundle.of(other, []) }))
    refuses('invalid-bundle', () => of(-1n))
    refuses('invalid-bundle', () => of(2n ** 128n))
    refuses('invalid-bundle', () => of(null, 1500))
    refuses('invalid-bundle', () => of(null, -1000))
  })

  test('differs when any part does', () => {
    const one = parse([x509Jwk(a), jwtJwk('1'), jwtJwk('w', { use: 'wit-svid' })])
    expect(one.equals(parse([jwtJwk('1'), x509Jwk(a), jwtJwk('w', { use: 'wit-svid' })]))).toBe(
      true,
    )
    const parts = { x509: one.x509, jwt: one.jwt, witKeys: one.witKeys }
    expect(one.equals(Bundle.of(domain, parts))).toBe(true)
    for (const differing of [
      parse([x509Jwk(b), jwtJwk('1'), jwtJwk('w', { use: 'wit-svid' })]),
      parse([x509Jwk(a), jwtJwk('2'), jwtJwk('w', { use: 'wit-svid' })]),
      parse([x509Jwk(a), jwtJwk('1')]),
      Bundle.of(domain, { ...parts, sequence: 1n }),
      Bundle.of(domain, { ...parts, refreshHintMs: 1000 }),
    ]) {
      expect(one.equals(differing)).toBe(false)
    }
  })

  test('cannot be changed', () => {
    const bundle = parse([x509Jwk(a), x509Jwk(a, { use: 'x' })])
    expect(Object.isFrozen(bundle) && Object.isFrozen(bundle.ignored)).toBe(true)
    expect(Object.isFrozen(bundle.ignored[0])).toBe(true)
  })
})
