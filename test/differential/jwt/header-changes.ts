import { createHmac } from 'node:crypto'
import { unsigned } from './form-changes.ts'
import { jwkOf, keyPair, kindFor } from './keys.ts'
import { signatureOf, type TokenChange as Change } from './token-draft.ts'

/** Oddities of the header (JWT-SVID §2; RFC 7515 §4.1). */
export const headerChanges: Readonly<Record<string, Change>> = {
  'alg none, unsigned': (draft) => unsigned(draft, 'none'),
  'alg none': headerWith({ alg: 'none' }),
  'alg in lower case': (draft) => {
    draft.header['alg'] = draft.algorithm.toLowerCase()
  },
  'no alg': headerWith({ alg: undefined }),
  'alg that is a number': headerWith({ alg: 256 }),
  'alg HS256, keyed with the public key': (draft) => {
    const { publicKey } = keyPair(kindFor(draft.algorithm))
    const secret = publicKey.export({ format: 'pem', type: 'spki' })
    draft.header['alg'] = 'HS256'
    draft.sign = (input) => createHmac('sha256', secret).update(input).digest()
  },
  'alg of the same family, signed as it says no more': (draft) => {
    draft.header['alg'] = nextHash(draft.algorithm)
  },
  'alg of the same family, signed as it says': (draft) => {
    const { privateKey } = keyPair(kindFor(draft.algorithm))
    const alg = nextHash(draft.algorithm)
    draft.header['alg'] = alg
    draft.sign = (input) => signatureOf(input, alg, privateKey)
  },
  'alg of another family': (draft) => {
    draft.header['alg'] = draft.algorithm.startsWith('ES') ? 'RS256' : 'ES256'
  },
  'no kid': headerWith({ kid: undefined }),
  'an empty kid': headerWith({ kid: '' }),
  'kid that is a number': headerWith({ kid: 1 }),
  'kid null': headerWith({ kid: null }),
  'a kid of no key': headerWith({ kid: 'k2' }),
  'no kid, one key of several fits': (draft) => {
    const { privateKey: _, publicKey } = keyPair(kindFor(draft.algorithm), 'stranger')
    draft.keys.unshift({ ...publicKey.export({ format: 'jwk' }), kid: 'k0', use: 'jwt-svid' })
    headerWith({ kid: undefined })(draft)
  },
  'no typ': headerWith({ typ: undefined }),
  'typ JOSE': headerWith({ typ: 'JOSE' }),
  'typ in lower case': headerWith({ typ: 'jwt' }),
  'typ of an access token': headerWith({ typ: 'at+jwt' }),
  'typ of a WIT-SVID': headerWith({ typ: 'wit+jwt' }),
  'typ as a media type': headerWith({ typ: 'application/JWT' }),
  'typ with a space': headerWith({ typ: 'JWT ' }),
  'an empty typ': headerWith({ typ: '' }),
  'typ that is a number': headerWith({ typ: 1 }),
  'typ null': headerWith({ typ: null }),
  'crit of an unknown extension': headerWith({ crit: ['x'], x: 1 }),
  'crit of exp': headerWith({ crit: ['exp'], exp: 1 }),
  'crit of b64': headerWith({ crit: ['b64'], b64: true }),
  'an empty crit': headerWith({ crit: [] }),
  'crit null': headerWith({ crit: null }),
  'b64 true': headerWith({ b64: true }),
  'b64 false': headerWith({ b64: false }),
  'jwk with the key': (draft) => {
    draft.header['jwk'] = jwkOf(keyPair(kindFor(draft.algorithm)))
  },
  "jwk with a stranger's key, which signed": (draft) => {
    const stranger = keyPair(kindFor(draft.algorithm), 'stranger')
    draft.header['jwk'] = jwkOf(stranger)
    draft.sign = (input) => signatureOf(input, draft.algorithm, stranger.privateKey)
  },
  jku: headerWith({ jku: 'https://a.test/keys' }),
  x5u: headerWith({ x5u: 'https://a.test/chain' }),
  x5t: headerWith({ x5t: 'AAAA' }),
  'an x5c that is no chain': headerWith({ x5c: ['AAAA'] }),
  'cty JWT': headerWith({ cty: 'JWT' }),
  'zip DEF': headerWith({ zip: 'DEF' }),
  nonce: headerWith({ nonce: 'n' }),
  'an unknown member': headerWith({ note: 'n' }),
}

function headerWith(members: Readonly<Record<string, unknown>>): Change {
  return (draft) => {
    Object.assign(draft.header, members)
  }
}

/** RS256 to RS384 to RS512 to RS256, and so on. */
function nextHash(algorithm: string): string {
  const bits = { '256': '384', '384': '512', '512': '256' }[algorithm.slice(2)]
  return `${algorithm.slice(0, 2)}${bits}`
}
