import { sign } from 'node:crypto'
import { jwkOf, keyPair, kindFor, type KeyKind, type KeyPair } from './keys.ts'
import {
  jwtKey,
  KEY_ID,
  signatureOf,
  type TokenChange as Change,
  type TokenDraft,
} from './token-draft.ts'

/** Oddities of the signature and of the keys in the bundle (JWT-SVID §4; Trust Domain and Bundle §4.2). */
export const keyChanges: Readonly<Record<string, Change>> = {
  'signed by a stranger': (draft) => signWith(draft, keyPair(kindFor(draft.algorithm), 'stranger')),
  'signed by the other trust domain': (draft) =>
    signWith(draft, keyPair(kindFor(draft.algorithm), 'other')),
  'one bit of the signature is changed': (draft) =>
    signatureAs(draft, (signature) => signature.with(9, signature[9]! ^ 1)),
  'a signature that is cut short': (draft) =>
    signatureAs(draft, (signature) => signature.subarray(1)),
  'a signature with an octet more': (draft) =>
    signatureAs(draft, (signature) => Buffer.concat([signature, Buffer.of(0)])),
  'a signature of zeros': (draft) =>
    signatureAs(draft, (signature) => new Uint8Array(signature.length)),
  'a signature in DER': (draft) => {
    const { privateKey } = keyPair(kindFor(draft.algorithm))
    const hash = `sha${draft.algorithm.slice(2)}`
    draft.sign = (input) => sign(hash, Buffer.from(input), privateKey)
  },
  'signed for other claims': (draft) => {
    draft.sealed = (token) => {
      const [header, , signature] = token.split('.')
      const claims = { ...draft.claims, sub: 'spiffe://a.test/acme/admin' }
      return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join(
        '.',
      )
    }
  },
  'an empty bundle': (draft) => {
    draft.keys = []
  },
  'a key with the use sig': keyWith({ use: 'sig' }),
  'a key with the use enc': keyWith({ use: 'enc' }),
  'a key with the use x509-svid': keyWith({ use: 'x509-svid' }),
  'a key with the use wit-svid': keyWith({ use: 'wit-svid' }),
  'a key without use': keyWith({ use: undefined }),
  'a key without kid': keyWith({ kid: undefined }),
  'a key with an empty kid': (draft) => {
    keyWith({ kid: '' })(draft)
    draft.header['kid'] = ''
  },
  'a key for this algorithm alone': (draft) => keyWith({ alg: draft.algorithm })(draft),
  'a key for another algorithm alone': (draft) =>
    keyWith({ alg: draft.algorithm === 'RS256' ? 'PS256' : 'RS256' })(draft),
  'a key for an unknown algorithm alone': keyWith({ alg: 'XX999' }),
  'a key that is to verify': keyWith({ key_ops: ['verify'] }),
  'a key that is to encrypt': keyWith({ key_ops: ['encrypt'] }),
  'a key with unknown members': keyWith({ note: 'n', nested: { deep: [1] } }),
  'a key with its private part': (draft) => {
    const { privateKey } = keyPair(kindFor(draft.algorithm))
    draft.keys = [jwtKey(privateKey.export({ format: 'jwk' }))]
  },
  'two keys with one kid': (draft) => {
    draft.keys.unshift(jwtKey(jwkOf(keyPair(kindFor(draft.algorithm), 'stranger'))))
  },
  'a key of another curve': (draft) => signWithKind(draft, 'P-384', 'ES256'),
  'a key of another type': (draft) => {
    const kind: KeyKind = draft.algorithm.startsWith('ES') ? 'rsa' : 'P-256'
    draft.keys = [jwtKey(jwkOf(keyPair(kind)))]
  },
  'an RSA key of 1024 bits': (draft) => {
    const pair = keyPair('rsa-1024')
    draft.header['alg'] = 'RS256'
    draft.keys = [jwtKey(jwkOf(pair))]
    draft.sign = (input) => signatureOf(input, 'RS256', pair.privateKey)
  },
  'an Ed25519 key, alg EdDSA': (draft) => {
    const pair = keyPair('Ed25519')
    draft.header['alg'] = 'EdDSA'
    draft.keys = [jwtKey(jwkOf(pair))]
    draft.sign = (input) => sign(null, Buffer.from(input), pair.privateKey)
  },
  'an Ed25519 key beside it': besideIt(() => jwkOf(keyPair('Ed25519'))),
  'an unknown type of key beside it': besideIt(() => ({
    kty: 'AKP',
    pub: 'AAAA',
    alg: 'ML-DSA-44',
  })),
  'a symmetric key beside it': besideIt(() => ({ kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA' })),
  'a curve that SPIFFE does not have beside it': besideIt(() => ({
    kty: 'EC',
    crv: 'secp256k1',
    x: 'eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g',
    y: 'SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg',
  })),
  'a point that is not on its curve beside it': besideIt(() => ({
    kty: 'EC',
    crv: 'P-256',
    x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE',
    y: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE',
  })),
  'the keys of the other trust domain alone': (draft) => {
    draft.keys = []
    signWith(draft, keyPair(kindFor(draft.algorithm), 'other'))
  },
}

function signWith(draft: TokenDraft, { privateKey }: KeyPair): void {
  draft.sign = (input) => signatureOf(input, draft.algorithm, privateKey)
}

/** Says `alg`, and signs with a key of a kind that is not for it, by the hash that `alg` has. */
function signWithKind(draft: TokenDraft, kind: KeyKind, alg: string): void {
  const pair = keyPair(kind)
  draft.header['alg'] = alg
  draft.keys = [jwtKey(jwkOf(pair))]
  draft.sign = (input) => signatureOf(input, alg, pair.privateKey)
}

function signatureAs(draft: TokenDraft, change: (signature: Uint8Array) => Uint8Array): void {
  const { sign: before } = draft
  draft.sign = (input) => change(Uint8Array.from(before(input)))
}

function keyWith(members: Readonly<Record<string, unknown>>): Change {
  return (draft) => {
    draft.keys = draft.keys.map((key) =>
      key['kid'] === KEY_ID || key['kid'] === undefined ? { ...key, ...members } : key,
    )
  }
}

function besideIt(jwk: () => Record<string, unknown>): Change {
  return (draft) => {
    draft.keys.push(jwtKey(jwk(), 'beside'))
  }
}
