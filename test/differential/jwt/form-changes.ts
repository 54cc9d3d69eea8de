import { base64Url, type TokenChange as Change, type TokenDraft } from './token-draft.ts'

const NOT_UTF_8 = Buffer.from([0x22, 0xff, 0x22])

/** Oddities of the serialization (JWT-SVID §2, §4; RFC 7515 §3.1, §7). */
export const formChanges: Readonly<Record<string, Change>> = {
  'JSON serialization': sealedAs((token) => {
    const [header, payload, signature] = token.split('.')
    return JSON.stringify({ protected: header, payload, signature })
  }),
  'two parts': sealedAs((token) => token.slice(0, token.lastIndexOf('.'))),
  'four parts': sealedAs((token) => `${token}.AAAA`),
  'no signature': sealedAs((token) => token.slice(0, token.lastIndexOf('.') + 1)),
  'no claims': sealedAs((token) => token.replace(/\.[^.]*\./, '..')),
  'a space before it': sealedAs((token) => ` ${token}`),
  'a space after it': sealedAs((token) => `${token} `),
  'a line feed after it': sealedAs((token) => `${token}\n`),
  'a line feed in the claims': claimsEncodedAs((text) => `${text.slice(0, 8)}\n${text.slice(8)}`),
  'a padded header': sealedAs((token) => token.replace('.', '=.')),
  'padded claims': claimsEncodedAs((text) => `${text}=`),
  'a padded signature': sealedAs((token) => `${token}==`),
  'the alphabet of base64': (draft) => {
    draft.claims['note'] = '~~~~~~~~~'
    draft.encodedClaims = (text) => text.replaceAll('-', '+').replaceAll('_', '/')
  },
  'stray bits in the claims': (draft) => {
    // One octet in the last group: four of its bits are of no octet.
    draft.writeClaims = (claims) => padTo(JSON.stringify(claims), 1)
    draft.encodedClaims = (text) => `${text.slice(0, -1)}${nextCharacter(text.at(-1)!)}`
  },
  'a header that is a list': (draft) => {
    draft.writeHeader = (header) => JSON.stringify([header])
  },
  'claims that are a list': (draft) => {
    draft.writeClaims = (claims) => JSON.stringify([claims])
  },
  'a header that is not JSON': (draft) => {
    draft.writeHeader = (header) => `${JSON.stringify(header)},`
  },
  'claims that are not JSON': (draft) => {
    draft.writeClaims = (claims) => `${JSON.stringify(claims)}}`
  },
  'a byte order mark before the header': (draft) => {
    draft.writeHeader = (header) => `\u{feff}${JSON.stringify(header)}`
  },
  'a byte order mark before the claims': (draft) => {
    draft.writeClaims = (claims) => `\u{feff}${JSON.stringify(claims)}`
  },
  'claims that are not UTF-8': (draft) => {
    draft.writeClaims = (claims) => {
      const text = JSON.stringify({ ...claims, note: '@' })
      const [before = '', after = ''] = text.split('"@"')
      return Buffer.concat([Buffer.from(before), NOT_UTF_8, Buffer.from(after)])
    }
  },
  'white space in the JSON': (draft) => {
    draft.writeHeader = (header) => JSON.stringify(header, null, 2)
    draft.writeClaims = (claims) => JSON.stringify(claims, null, '\t')
  },
  'escaped names of members': (draft) => {
    draft.writeHeader = (header) => JSON.stringify(header).replace('"alg"', '"\\u0061lg"')
    draft.writeClaims = (claims) => JSON.stringify(claims).replace('"sub"', '"s\\u0075b"')
  },
  'alg twice': headerTwice('alg'),
  'kid twice': headerTwice('kid'),
  'sub twice': claimTwice('sub', '"spiffe://a.test/acme/admin"'),
  'aud twice': claimTwice('aud', '["billing"]'),
  'exp twice': claimTwice('exp', '1'),
  'another claim twice': (draft) => {
    draft.claims['note'] = 1
    claimTwice('note', '2')(draft)
  },
  'names in upper case beside those of the claims': (draft) => {
    Object.assign(draft.claims, { SUB: 'spiffe://a.test/acme/admin', AUD: ['billing'], EXP: 1 })
  },
  'claims nested deeply': (draft) => {
    draft.claims['note'] = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) as unknown
  },
  'more than 8192 octets': (draft) => {
    draft.claims['note'] = 'x'.repeat(8192)
  },
  '65 claims': (draft) => {
    for (let number = 0; number < 61; number++) draft.claims[`c${number}`] = number
  },
  'a number that is no double': (draft) => {
    draft.writeClaims = (claims) => withMember(claims, '"note":1e400')
  },
  'a claim named __proto__': (draft) => {
    draft.writeClaims = (claims) => withMember(claims, '"__proto__":{"admin":true}')
  },
}

function sealedAs(change: (token: string) => string): Change {
  return (draft) => {
    draft.sealed = change
  }
}

function claimsEncodedAs(change: (text: string) => string): Change {
  return (draft) => {
    draft.encodedClaims = change
  }
}

/** First one that says something else, then the good one. */
function headerTwice(name: string): Change {
  return (draft) => {
    draft.writeHeader = (header) => `{"${name}":"other",${JSON.stringify(header).slice(1)}`
  }
}

function claimTwice(name: string, value: string): Change {
  return (draft) => {
    draft.writeClaims = (claims) => `{"${name}":${value},${JSON.stringify(claims).slice(1)}`
  }
}

function withMember(claims: Record<string, unknown>, member: string): string {
  return `${JSON.stringify(claims).slice(0, -1)},${member}}`
}

/** Ends it with white space, so that `rest` octets are left over from groups of three. */
function padTo(json: string, rest: number): string {
  const length = Buffer.byteLength(json)
  return `${json}${' '.repeat((rest + 3 - (length % 3)) % 3)}`
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function nextCharacter(character: string): string {
  return ALPHABET[ALPHABET.indexOf(character) + 1]!
}

/** A token that nothing signs: its last part is empty. */
export function unsigned(draft: TokenDraft, alg: string): void {
  draft.header['alg'] = alg
  draft.sign = () => new Uint8Array()
  draft.sealed = (token) => `${token.slice(0, token.lastIndexOf('.'))}.${base64Url('')}`
}
