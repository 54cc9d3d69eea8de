import type { BundleDraft } from './bundle-draft.ts'
import { jwkOf, keyPair, type Members } from './keys.ts'
import { jwtKey } from './token-draft.ts'

type Change = (draft: BundleDraft) => void

/** Oddities of bundles as a whole (Trust Domain and Bundle §4.1). */
const documentChanges: Readonly<Record<string, Change>> = {
  'no keys': writtenAs((text) => text.replace(/"keys":\[.*\],/, '')),
  'keys null': writtenAs((text) => text.replace(/"keys":\[.*\],/, '"keys":null,')),
  'keys that are an object': writtenAs((text) => text.replace(/"keys":\[.*\],/, '"keys":{},')),
  'an empty list of keys': writtenAs((text) => text.replace(/"keys":\[.*\],/, '"keys":[],')),
  'keys twice': writtenAs((text) => `{"keys":[],${text.slice(1)}`),
  'KEYS in the place of keys': writtenAs((text) => text.replace('"keys":', '"KEYS":')),
  'KEYS after keys': writtenAs((text) => `${text.slice(0, -1)},"KEYS":[]}`),
  'a key that is null': writtenAs((text) => text.replace('"keys":[', '"keys":[null,')),
  'a key that is a number': writtenAs((text) => text.replace('"keys":[', '"keys":[1,')),
  'a key without members': writtenAs((text) => text.replace('"keys":[', '"keys":[{},')),
  'a list in the place of the bundle': writtenAs((text) => `[${text}]`),
  'an empty text': writtenAs(() => ''),
  'a byte order mark': writtenAs((text) => `\u{feff}${text}`),
  'a comma too many': writtenAs((text) => `${text.slice(0, -1)},}`),
  'a second value after it': writtenAs((text) => `${text}{}`),
  'white space around it': writtenAs((text) => ` \n${text}\n`),
  'an unknown member': memberAs('spiffe_note', '{"deep":[1]}'),
  'a member that is nested deeply': memberAs('spiffe_note', `${'['.repeat(20)}${']'.repeat(20)}`),
  'no sequence': memberAs('spiffe_sequence', undefined),
  'sequence 0': memberAs('spiffe_sequence', '0'),
  'sequence 2^53 + 1': memberAs('spiffe_sequence', '9007199254740993'),
  'sequence 2^64 - 1': memberAs('spiffe_sequence', '18446744073709551615'),
  'sequence 2^64': memberAs('spiffe_sequence', '18446744073709551616'),
  'sequence 2^128': memberAs('spiffe_sequence', String(2n ** 128n)),
  'a negative sequence': memberAs('spiffe_sequence', '-1'),
  'sequence with a fraction': memberAs('spiffe_sequence', '1.0'),
  'sequence with an exponent': memberAs('spiffe_sequence', '1e2'),
  'sequence that is a string': memberAs('spiffe_sequence', '"7"'),
  'sequence null': memberAs('spiffe_sequence', 'null'),
  'sequence twice': memberAs('spiffe_sequence', '7,"spiffe_sequence":8'),
  'no refresh hint': memberAs('spiffe_refresh_hint', undefined),
  'refresh hint 0': memberAs('spiffe_refresh_hint', '0'),
  'a negative refresh hint': memberAs('spiffe_refresh_hint', '-300'),
  'refresh hint with a fraction': memberAs('spiffe_refresh_hint', '300.5'),
  'refresh hint that is a string': memberAs('spiffe_refresh_hint', '"300"'),
  'refresh hint of a century': memberAs('spiffe_refresh_hint', '3155760000'),
  'refresh hint of 2^53 seconds': memberAs('spiffe_refresh_hint', '9007199254740992'),
}

/** Oddities of keys for JWT-SVIDs (§4.2). */
const jwtKeyChanges: Readonly<Record<string, Change>> = {
  'a JWT authority without kid': jwtWith({ kid: undefined }),
  'a JWT authority with an empty kid': jwtWith({ kid: '' }),
  'a JWT authority with a kid that is a number': jwtWith({ kid: 7 }),
  'a JWT authority without use': jwtWith({ use: undefined }),
  'a JWT authority with an unknown use': jwtWith({ use: 'sig' }),
  'a JWT authority with the use in upper case': jwtWith({ use: 'JWT-SVID' }),
  'a JWT authority with a list of uses': jwtWith({ use: ['jwt-svid'] }),
  'a JWT authority with an unknown kty': jwtWith({ kty: 'XX' }),
  'a JWT authority without kty': jwtWith({ kty: undefined }),
  'a JWT authority with kty in lower case': jwtWith({ kty: 'ec' }),
  'a JWT authority that is symmetric': jwtAs({ kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA' }),
  'a JWT authority for Ed25519': (draft) => jwtAs(jwkOf(keyPair('Ed25519')))(draft),
  'a JWT authority of an unknown curve': jwtWith({ crv: 'P-999' }),
  'a JWT authority of a curve that is not its own': jwtWith({ crv: 'P-384' }),
  'a JWT authority that is not on its curve': (draft) => {
    const { x, ...rest } = draft.jwt[0]!
    draft.jwt[0] = { ...rest, x: rest['y'], y: x }
  },
  'a JWT authority with a short coordinate': jwtWith({ x: 'AAAA' }),
  'a JWT authority with padded coordinates': (draft) =>
    jwtWith({ x: `${String(draft.jwt[0]!['x'])}=` })(draft),
  'a JWT authority of 1024 bits': (draft) => jwtAs(jwkOf(keyPair('rsa-1024')))(draft),
  'a JWT authority with the exponent 1': (draft) => rsaWith(draft, { e: 'AQ' }),
  'a JWT authority with the exponent 3': (draft) => rsaWith(draft, { e: 'Aw' }),
  'a JWT authority with an even exponent': (draft) => rsaWith(draft, { e: 'AQAC' }),
  'a JWT authority with a zero before its modulus': (draft) => {
    const modulus = Buffer.from(String(draft.jwt[1]!['n']), 'base64url')
    rsaWith(draft, { n: Buffer.concat([Buffer.of(0), modulus]).toString('base64url') })
  },
  'a JWT authority with its private part': (draft) => {
    const { privateKey } = keyPair('P-256')
    draft.jwt[0] = jwtKey({ ...privateKey.export({ format: 'jwk' }) }, 'k1')
  },
  'a JWT authority with alg': jwtWith({ alg: 'ES256' }),
  'a JWT authority with key_ops': jwtWith({ key_ops: ['verify'] }),
  'a JWT authority with unknown members': jwtWith({ note: { deep: [1] } }),
  'two JWT authorities with one kid': (draft) => {
    draft.jwt[1]!['kid'] = 'k1'
  },
  'the same JWT authority twice': (draft) => {
    draft.jwt[1] = draft.jwt[0]!
  },
  'a JWT authority with a member twice': writtenAs((text) =>
    text.replace('"kid":"k1"', '"kid":"k0","kid":"k1"'),
  ),
  'a WIT authority': (draft) => {
    draft.jwt.push({ ...jwtKey(jwkOf(keyPair('P-384')), 'w1'), use: 'wit-svid' })
  },
}

/** Oddities of keys for X.509-SVIDs (§4.2). */
export const x509BundleChanges: Readonly<Record<string, Change>> = {
  'an X.509 authority with kid': x509With({ kid: 'x1' }),
  'an X.509 authority without x5c': x509With({ x5c: undefined }),
  'an X.509 authority with an empty x5c': x509With({ x5c: [] }),
  'an X.509 authority with x5c null': x509With({ x5c: null }),
  'an X.509 authority with x5c as a string': (draft) => {
    x509With({ x5c: certificateOf(draft) })(draft)
  },
  'an X.509 authority with two certificates': (draft) => {
    x509With({ x5c: [certificateOf(draft), certificateOf(draft, 1)] })(draft)
  },
  'an X.509 authority with garbage after its certificate': (draft) => {
    x509With({ x5c: [certificateOf(draft), 'garbage'] })(draft)
  },
  'an X.509 authority that is garbage': x509With({ x5c: ['AAAA'] }),
  'an X.509 authority in base64url': (draft) => {
    const der = Buffer.from(certificateOf(draft), 'base64')
    x509With({ x5c: [der.toString('base64url')] })(draft)
  },
  'an X.509 authority with line feeds': (draft) => {
    x509With({ x5c: [certificateOf(draft).replaceAll(/.{64}/g, '$&\n')] })(draft)
  },
  'an X.509 authority with an octet after its certificate': (draft) => {
    const der = Buffer.concat([Buffer.from(certificateOf(draft), 'base64'), Buffer.of(0)])
    x509With({ x5c: [der.toString('base64')] })(draft)
  },
  'an X.509 authority with the members of another key': (draft) =>
    x509With(jwkOf(keyPair('P-256', 'stranger')))(draft),
  'an X.509 authority without the members of its key': x509With({
    crv: undefined,
    x: undefined,
    y: undefined,
  }),
  'an X.509 authority with an unknown kty': x509With({ kty: 'XX' }),
  'an X.509 authority without kty': x509With({ kty: undefined }),
  'an X.509 authority without use': x509With({ use: undefined }),
  'an X.509 authority with the use jwt-svid': x509With({ use: 'jwt-svid', kid: 'x1' }),
  'the same X.509 authority twice': (draft) => {
    draft.x509[1] = draft.x509[0]!
  },
}

export const jwtBundleChanges: Readonly<Record<string, Change>> = {
  ...documentChanges,
  ...jwtKeyChanges,
}

function writtenAs(change: (text: string) => string): Change {
  return (draft) => {
    const { write } = draft
    draft.write = (text) => change(write(text))
  }
}

function memberAs(name: string, json: string | undefined): Change {
  return (draft) => {
    if (json === undefined) delete draft.members[name]
    else draft.members[name] = json
  }
}

/** Of the first JWT authority, which is of P-256. */
function jwtWith(members: Members): Change {
  return (draft) => {
    draft.jwt[0] = { ...draft.jwt[0], ...members }
  }
}

function jwtAs(jwk: Members): Change {
  return (draft) => {
    draft.jwt[0] = jwtKey(jwk, 'k1')
  }
}

/** Of the second JWT authority, which is RSA. */
function rsaWith(draft: BundleDraft, members: Members): void {
  draft.jwt[1] = { ...draft.jwt[1], ...members }
}

function x509With(members: Members): Change {
  return (draft) => {
    draft.x509[0] = { ...draft.x509[0], ...members }
  }
}

/** Of an X.509 authority, or nothing where another change took it away. */
function certificateOf({ x509 }: BundleDraft, index = 0): string {
  const x5c = x509[index]?.['x5c']
  return Array.isArray(x5c) ? String(x5c[0]) : ''
}
