import { constants, sign } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { compactVerify } from 'jose'
import { keyPairOf } from '../bundle/bundle.test.support.ts'
import type { JwtSvidAlgorithm } from './algorithms.ts'
import {
  authority,
  bundleOf,
  encode,
  keyNameOf,
  signatureOf,
  tokenOf,
  verdictOn,
} from './jwt.test.support.ts'

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const
const EC = ['ES256', 'ES384', 'ES512'] as const

/** The two parts that are signed, and the signature. */
function partsOf(algorithm: JwtSvidAlgorithm): { readonly input: string; readonly octets: Buffer } {
  const token = tokenOf({ algorithm })
  const end = token.lastIndexOf('.')
  return { input: token.slice(0, end), octets: Buffer.from(token.slice(end + 1), 'base64url') }
}

function flipped(octets: Buffer, index: number): Buffer {
  const copy = Buffer.from(octets)
  copy[index]! ^= 1
  return copy
}

/** What is like a good signature, beside it. */
function variants(input: string, octets: Buffer): Buffer[] {
  const half = octets.length / 2
  const zeros = Buffer.alloc(half)
  return [
    octets,
    flipped(octets, 0),
    flipped(octets, half),
    flipped(octets, octets.length - 1),
    octets.subarray(1),
    octets.subarray(0, -1),
    Buffer.concat([octets, Buffer.alloc(1)]),
    Buffer.concat([Buffer.alloc(1), octets]),
    Buffer.concat([octets, octets]),
    Buffer.concat([zeros, octets.subarray(half)]),
    Buffer.concat([octets.subarray(0, half), zeros]),
    Buffer.concat([octets.subarray(half), octets.subarray(0, half)]),
    Buffer.alloc(octets.length),
    Buffer.alloc(octets.length, 0xff),
    Buffer.from(input.slice(0, octets.length)),
  ]
}

async function isGoodForJose(token: string, algorithm: JwtSvidAlgorithm): Promise<boolean> {
  const { jwk } = authority('1', keyNameOf(algorithm))
  return compactVerify(token, jwk, { algorithms: [algorithm] }).then(
    () => true,
    () => false,
  )
}

async function expectAgreement(algorithm: JwtSvidAlgorithm, token: string): Promise<boolean> {
  const bundle = bundleOf(authority('1', keyNameOf(algorithm)))
  const verdict = await verdictOn(token, bundle)
  const isGood = await isGoodForJose(token, algorithm)
  expect(verdict).toBe(isGood ? 'accepted' : 'bad-signature')
  return isGood
}

describe('signatures are good that are good for jose, and no others:', () => {
  test.each([...RSA, ...EC])('by %s', async (algorithm) => {
    const { input, octets } = partsOf(algorithm)
    const good: boolean[] = []
    for (const each of variants(input, octets)) {
      // oxlint-disable-next-line no-await-in-loop -- in the order of the list
      good.push(await expectAgreement(algorithm, `${input}.${encode(each)}`))
    }
    expect(
      good.map((isGood, index) => (isGood ? index : -1)).filter((index) => index >= 0),
    ).toEqual([0])
  })

  test.each(RSA)('by another scheme of the same key than %s', async (algorithm) => {
    const { input } = partsOf(algorithm)
    const { privateKey } = keyPairOf(keyNameOf(algorithm))
    for (const other of RSA.filter((each) => each !== algorithm)) {
      const token = `${input}.${encode(signatureOf(input, other, privateKey))}`
      // oxlint-disable-next-line no-await-in-loop -- in the order of the list
      expect(await expectAgreement(algorithm, token)).toBe(false)
    }
  })

  test.each(EC)('by the key of %s with another hash, or in DER', async (algorithm) => {
    const { input } = partsOf(algorithm)
    const { privateKey: key } = keyPairOf(keyNameOf(algorithm))
    const hashes = ['sha1', 'sha256', 'sha384', 'sha512'].filter(
      (hash) => !hash.endsWith(algorithm.slice(2)),
    )
    const forms = hashes.map((hash) =>
      sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }),
    )
    forms.push(sign(`sha${algorithm.slice(2)}`, Buffer.from(input), { key, dsaEncoding: 'der' }))
    for (const octets of forms) {
      // oxlint-disable-next-line no-await-in-loop -- in the order of the list
      expect(await expectAgreement(algorithm, `${input}.${encode(octets)}`)).toBe(false)
    }
  })

  test.each(['PS256', 'PS384', 'PS512'] as const)(
    'by %s with a salt of another length',
    async (algorithm) => {
      const { input } = partsOf(algorithm)
      const { privateKey: key } = keyPairOf(keyNameOf(algorithm))
      const padding = constants.RSA_PKCS1_PSS_PADDING
      for (const saltLength of [
        0,
        1,
        20,
        Number(algorithm.slice(2)) / 8 - 1,
        constants.RSA_PSS_SALTLEN_MAX_SIGN,
      ]) {
        const octets = sign(`sha${algorithm.slice(2)}`, Buffer.from(input), {
          key,
          padding,
          saltLength,
        })
        // oxlint-disable-next-line no-await-in-loop -- in the order of the list
        expect(await expectAgreement(algorithm, `${input}.${encode(octets)}`)).toBe(false)
      }
    },
  )
})

test('a key that OpenSSL does not take has signed nothing', async () => {
  // Odd, of 2048 bits, and no product of two primes: whatever OpenSSL says of it, it must not be an exception.
  const n = Buffer.alloc(256, 0xff).toString('base64url')
  const bundle = bundleOf(authority('1', 'RSA2048/one', { n }))
  expect(await verdictOn(tokenOf({ algorithm: 'RS256' }), bundle)).toBe('bad-signature')
})
