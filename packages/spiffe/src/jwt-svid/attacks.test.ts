import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { jwtJwk, keyPairOf } from '../bundle/bundle.test.support.ts'
import {
  authority,
  bundleOf,
  CLAIMS,
  encode,
  GOOD,
  macToken,
  signatureOf,
  tokenOf,
  verdictOn,
} from './jwt.test.support.ts'

const good = tokenOf()
const [header = '', claims = '', signature = ''] = good.split('.')
const { publicKey, privateKey } = keyPairOf('P-256/one')
const rsa = keyPairOf('RSA2048/one')

test('a header is good only as it was written, however many others there were before', async () => {
  for (let index = 0; index < 300; index++) {
    const token = tokenOf({ header: { alg: 'ES256', kid: `${index}` } })
    expect(await verdictOn(token)).toBe(index === 1 ? 'accepted' : 'unknown-key')
  }
  expect(await verdictOn(good)).toBe('accepted')
})

test('the token that the attacks begin with is accepted', async () => {
  expect(await verdictOn(good)).toBe('accepted')
})

describe('the algorithm is not the choice of the token:', () => {
  const secrets = [publicKey, rsa.publicKey].flatMap((key) => [
    key.export({ format: 'pem', type: 'spki' }),
    key.export({ format: 'der', type: 'spki' }),
    JSON.stringify(key.export({ format: 'jwk' })),
  ])
  test.each(['HS256', 'HS384', 'HS512'])('a MAC by %s keyed with the public key', async (name) => {
    const bundle = bundleOf(authority('1'), authority('2', 'RSA2048/one'))
    for (const secret of secrets) {
      expect(await verdictOn(macToken(name, secret), bundle)).toBe('algorithm-not-allowed')
    }
  })

  test.each(['ES256', 'RS256'])(
    'a MAC keyed with the public key, under the name %s',
    async (name) => {
      const bundle = bundleOf(authority('1', name === 'ES256' ? 'P-256/one' : 'RSA2048/one'))
      for (const secret of secrets) {
        expect(await verdictOn(macToken(name, secret), bundle)).toBe('bad-signature')
      }
    },
  )

  test.each(['none', 'None', 'nOnE', '', ' ES256', 'ES256\u0000'])(
    'no signature, with alg %j',
    async (alg) => {
      const unsigned = `${encode({ alg, kid: '1' })}.${claims}`
      expect(await verdictOn(`${unsigned}.`)).toBe('malformed')
      expect(await verdictOn(`${unsigned}.${signature}`)).toBe('algorithm-not-allowed')
      expect(await verdictOn(unsigned)).toBe('malformed')
    },
  )

  test('EdDSA, though there is such a key', async () => {
    const pair = generateKeyPairSync('ed25519')
    const input = `${encode({ alg: 'EdDSA', kid: '1' })}.${claims}`
    const token = `${input}.${encode(sign(null, Buffer.from(input), pair.privateKey))}`
    expect(await verdictOn(token)).toBe('algorithm-not-allowed')
  })

  test('the padding of another one, with the right key', async () => {
    const bundle = bundleOf(authority('1', 'RSA2048/one'))
    for (const [named, used] of [
      ['RS256', 'PS256'],
      ['PS256', 'RS256'],
      ['RS256', 'RS384'],
    ] as const) {
      const token = tokenOf({ algorithm: used, header: { alg: named, kid: '1' } })
      expect(await verdictOn(token, bundle)).toBe('bad-signature')
    }
  })

  test('another curve, whose key the bundle has under that ID', async () => {
    const bundle = bundleOf(authority('1', 'P-384/one'))
    const token = tokenOf({ algorithm: 'ES384', header: { alg: 'ES256', kid: '1' } })
    expect(await verdictOn(token, bundle)).toBe('key-mismatch')
  })
})

describe('the token brings no key:', () => {
  const own = keyPairOf('P-256/attacker')
  test.each([
    ['jwk', jwtJwk('1', {}, 'P-256/attacker')],
    ['jku', 'https://attacker.example/keys'],
    ['x5u', 'https://attacker.example/certificate'],
    ['x5c', ['AAAA']],
    ['x5t#S256', 'AAAA'],
  ])('%s', async (name, value) => {
    const token = tokenOf({
      header: { alg: 'ES256', kid: '1', [name]: value },
      key: own.privateKey,
    })
    expect(await verdictOn(token)).toBe('unknown-header')
  })

  test.each(['../../dev/null', "1' OR '1'='1", '__proto__', 'constructor', 'toString', '1\u0000'])(
    'a kid such as %j',
    async (kid) => {
      const token = tokenOf({ header: { alg: 'ES256', kid }, key: own.privateKey })
      expect(await verdictOn(token)).toBe('unknown-key')
    },
  )
})

describe('the signature is taken as it has to be, or not at all:', () => {
  const octets = Buffer.from(signature, 'base64url')
  const [r, s] = [octets.subarray(0, 32), octets.subarray(32)]
  const zero = Buffer.alloc(32)
  const order = Buffer.from(
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    'hex',
  )
  const der = sign('sha256', Buffer.from(`${header}.${claims}`), privateKey)
  test.each([
    ['r and s of zero', Buffer.concat([zero, zero])],
    ['r of zero', Buffer.concat([zero, s])],
    ['s of zero', Buffer.concat([r, zero])],
    ['r and s of the order', Buffer.concat([order, order])],
    ['r of one and s of the order', Buffer.concat([Buffer.alloc(32, 0).fill(1, 31), order])],
    ['the form of DER', der],
    ['r and s exchanged', Buffer.concat([s, r])],
    ['an octet less', octets.subarray(0, -1)],
    ['an octet more', Buffer.concat([octets, Buffer.alloc(1)])],
    ['zeros before both', Buffer.concat([Buffer.alloc(1), r, Buffer.alloc(1), s])],
    ['half of it', r],
    ['all bits set', Buffer.alloc(64, 0xff)],
    ['ten thousand octets', Buffer.alloc(5000)],
  ])('%s', async (_, spoilt) => {
    expect(await verdictOn(tokenOf({ signature: spoilt }))).toBe('bad-signature')
  })

  test('of RSA: zero, one, and the modulus itself', async () => {
    const bundle = bundleOf(authority('1', 'RSA2048/one'))
    const modulus = Buffer.from(String(rsa.publicKey.export({ format: 'jwk' }).n), 'base64url')
    for (const spoilt of [
      Buffer.alloc(256),
      Buffer.alloc(256).fill(1, 255),
      modulus,
      Buffer.alloc(1),
    ]) {
      const token = tokenOf({ algorithm: 'RS256', signature: spoilt })
      expect(await verdictOn(token, bundle)).toBe('bad-signature')
    }
  })

  test('every bit of it counts, and every octet of what is signed', async () => {
    for (let index = 0; index < octets.length; index += 7) {
      const spoilt = Buffer.from(octets)
      spoilt.writeUInt8(spoilt.readUInt8(index) ^ 1, index)
      expect(await verdictOn(tokenOf({ signature: spoilt }))).toBe('bad-signature')
    }
    const others = encode({ ...CLAIMS, sub: 'spiffe://example.org/acme/admin' })
    expect(await verdictOn(`${header}.${others}.${signature}`)).toBe('bad-signature')
    const untyped = encode({ alg: 'ES256', kid: '1' })
    expect(await verdictOn(`${untyped}.${claims}.${signature}`)).toBe('bad-signature')
  })
})

/** The same octets in other digits: the last one holds bits that belong to no octet. */
function withTrailingBits(part: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = digits.indexOf(part.at(-1) ?? '')
  return part.slice(0, -1) + digits[last ^ 1]
}

describe('rule 82: there is one way to write a token:', () => {
  test.each([
    ['an empty string', ''],
    [
      'JSON serialization, flattened',
      JSON.stringify({ protected: header, payload: claims, signature }),
    ],
    [
      'JSON serialization, general',
      JSON.stringify({ payload: claims, signatures: [{ protected: header, signature }] }),
    ],
    ['Bearer before it', `Bearer ${good}`],
    ['a space after it', `${good} `],
    ['a line end after it', `${good}\n`],
    ['a line end in it', `${header}.${claims}\n.${signature}`],
    ['padding', `${header}=.${claims}==.${signature}==`],
    ['two parts', `${header}.${claims}`],
    ['four parts', `${good}.`],
    ['five parts, as of an encrypted one', `${header}..${claims}.${signature}.${signature}`],
    ['an empty header', `.${claims}.${signature}`],
    ['no claims, as if they were detached', `${header}..${signature}`],
    ['digits of base64', `${header}.${claims}.${signature.slice(0, -2)}+/`],
    ['digits beyond ASCII', `${header}.${claims}.${signature.slice(0, -1)}\u212a`],
    ['bits after the signature', `${header}.${claims}.${withTrailingBits(signature)}`],
    ['a single digit for a part', `A.${claims}.${signature}`],
  ])('not %s', async (_, token) => {
    expect(await verdictOn(token)).toBe('malformed')
  })

  test('not bits after a header or claims that were signed with them', async () => {
    for (const length of [0, 1, 2]) {
      const padded = encode(`{"alg":"ES256"${' '.repeat(length)}}`)
      const spoilt = withTrailingBits(padded)
      if (!Buffer.from(spoilt, 'base64url').equals(Buffer.from(padded, 'base64url'))) continue
      const input = `${spoilt}.${claims}`
      const token = `${input}.${encode(signatureOf(input, 'ES256', privateKey))}`
      expect(await verdictOn(token)).toBe('malformed')
    }
  })

  test.each([
    ['a member of the header twice', { header: '{"alg":"none","alg":"ES256"}' }],
    ['alg twice in other words', { header: String.raw`{"alg":"ES256","\u0061lg":"none"}` }],
    ['a header that is a list', { header: '["ES256"]' }],
    ['a header that is no JSON', { header: '{"alg":"ES256"' }],
    ['a header with a byte order mark', { header: '\ufeff{"alg":"ES256"}' }],
    ['a header with the prototype', { header: '{"alg":"ES256","__proto__":{}}' }],
    ['sub twice', { claims: `{"sub":"spiffe://a/b",${JSON.stringify(CLAIMS).slice(1)}` }],
    [
      'a member twice deeper down',
      { claims: `{"x":[{"a":1,"a":2}],${JSON.stringify(CLAIMS).slice(1)}` },
    ],
    ['claims that are text', { claims: '"spiffe://example.org/web"' }],
    ['claims that are null', { claims: 'null' }],
    ['claims with something after them', { claims: `${JSON.stringify(CLAIMS)}{}` }],
    ['claims that are nested too deeply', { claims: `{"x":${'['.repeat(40)}${']'.repeat(40)}}` }],
    ['a time that is infinite', { claims: '{"exp":1e999}' }],
  ])('not %s', async (_, draft) => {
    expect(await verdictOn(tokenOf(draft))).toBe('malformed')
  })

  test('not octets that are no UTF-8', async () => {
    const input = `${header}.${encode(Buffer.from('7b22ff223a317d', 'hex'))}`
    const token = `${input}.${encode(signatureOf(input, 'ES256', privateKey))}`
    expect(await verdictOn(token)).toBe('malformed')
  })

  test('not a huge header, nor a huge claim', async () => {
    const huge = { header: { alg: 'ES256', kid: 'x'.repeat(100_000) } }
    expect(await verdictOn(tokenOf(huge))).toBe('too-long')
    expect(await verdictOn(tokenOf({ claims: { x: 'x'.repeat(100_000) } }))).toBe('too-long')
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`h${at}`, 1]))
    expect(await verdictOn(tokenOf({ header: { alg: 'ES256', ...many } }))).toBe('unknown-header')
  })

  test.each([undefined, null, 5, {}, [good], Buffer.from(good), new String(good)])(
    'not %p',
    async (value) => {
      // @ts-expect-error what only a caller without types can do
      expect(await verdictOn(value, GOOD)).toBe('malformed')
    },
  )
})
