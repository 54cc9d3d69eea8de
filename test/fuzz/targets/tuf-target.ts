import { generateKeyPairSync } from 'node:crypto'
import { holdsPrivateKey } from '@fastify-spiffe/tuf-source/internal'
import * as fc from 'fast-check'
import { edited, edits } from '../support/mutation.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

interface Input {
  readonly bytes: Buffer
  /** Whether a key is in it, as far as is known. */
  readonly holdsKey: boolean | undefined
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const KEYS: readonly unknown[] = [
  pem,
  rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }),
  ec.privateKey.export({ format: 'pem', type: 'sec1' }),
  ec.privateKey.export({ format: 'jwk' }),
  rsa.privateKey.export({ format: 'jwk' }),
  ec.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  Buffer.from(pem).toString('base64'),
  JSON.stringify(ec.privateKey.export({ format: 'jwk' })),
]
const OTHERS: readonly unknown[] = [
  ec.publicKey.export({ format: 'jwk' }),
  ec.publicKey.export({ format: 'pem', type: 'spki' }),
  rsa.publicKey.export({ format: 'der', type: 'pkcs1' }).toString('base64'),
  { keys: [] },
  { d: 1, k: 2 },
  'kty',
  null,
]

/** Puts a value somewhere into a JSON text. */
const wrapped = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(value, fc.array(fc.tuple(fc.nat(2), fc.constantFrom(...OTHERS)), { maxLength: 5 }))
    .map(([inner, layers]) => {
      let outer = inner
      for (const [kind, beside] of layers) {
        outer = kind === 0 ? [beside, outer] : { a: outer, [kind === 1 ? 'keys' : 'b']: beside }
      }
      return outer
    })

const asBytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

const inputs: fc.Arbitrary<Input> = fc.oneof(
  wrapped(fc.constantFrom(...KEYS)).map((value) => ({ bytes: asBytes(value), holdsKey: true })),
  wrapped(fc.constantFrom(...OTHERS)).map((value) => ({ bytes: asBytes(value), holdsKey: false })),
  fc
    .tuple(wrapped(fc.constantFrom(...KEYS, ...OTHERS)), edits)
    .map(([value, changes]) => ({ bytes: edited(asBytes(value), changes), holdsKey: undefined })),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => ({
    bytes: Buffer.from(bytes),
    holdsKey: undefined,
  })),
)

/** The search for private keys in what is published. */
export const openTufTargets = (): Target<Input> => ({
  inputs,
  read({ bytes, holdsKey }) {
    const found = holdsPrivateKey(bytes)
    if (holdsKey !== undefined) check(found === holdsKey, `found: ${found}, there: ${holdsKey}`)
    return found ? 'private-key' : ACCEPTED
  },
  bytesOf: ({ bytes }) => bytes,
  [Symbol.asyncDispose]: () => Promise.resolve(),
})
