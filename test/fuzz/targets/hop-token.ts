import * as fc from 'fast-check'
import { readCorpus } from '../corpus/corpus.ts'
import { internal, type HopTokenModule } from '../support/internals.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { changed, decoded, inPart, textChanges, type TextChange } from '../support/texts.ts'
import { isSpiffeId } from './spiffe-id.ts'

/** What tokens are made of, and what only looks like it. */
export const TOKEN_PIECES: readonly string[] = [
  '"sub":',
  '"aud":',
  ',"jti":"AAAAAAAAAAAAAAAAAAAAAA"',
  `,"req":"${'A'.repeat(43)}"`,
  `,"prv":"${'A'.repeat(43)}"`,
  ',"scope":"all"',
  ',"__proto__":{}',
  '"alg":"ES256"',
  '"alg":"none"',
  '"typ":"svid-hop+jwt"',
  '"typ":"JWT"',
  'spiffe://example.org/acme/web',
  'spiffe://example.org',
  '["spiffe://example.org/acme/web"]',
  '/../',
  String.raw`\u0061`,
  '1780315200',
  '1780315320',
  '1e9',
  '-1',
  '.5',
  '0',
  '{',
  '}',
  '"',
  ',',
  ' ',
  '\n',
  '.',
  '=',
  '',
]

/** Changes of a token: of its text, and of what stands in one of its three parts. */
export const tokenChanges: fc.Arbitrary<TextChange> = fc.oneof(
  { weight: 1, arbitrary: textChanges(TOKEN_PIECES) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(2), textChanges(TOKEN_PIECES))
      .map(([part, change]) => inPart('.', part, decoded('base64url', change))),
  },
)

const tokens = readCorpus().calls.flatMap(({ chain }) => chain.split(','))

const inputs: fc.Arbitrary<string> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...tokens) },
  {
    weight: 20,
    arbitrary: fc
      .tuple(fc.constantFrom(...tokens), fc.array(tokenChanges, { minLength: 1, maxLength: 2 }))
      .map(([token, changes]) => changed(token, changes)),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  // What takes a reader that goes back too long.
  { weight: 1, arbitrary: fc.nat(4000).map((count) => 'eyJ.'.repeat(count)) },
  {
    weight: 1,
    arbitrary: fc.nat(2500).map((count) => {
      const json = `{"sub":"${'a'.repeat(count)}`
      return `${tokens[0]!.split('.')[0]}.${Buffer.from(json).toString('base64url')}.AAAA`
    }),
  },
)

/** Tokens of chains, against a reader that parses the JSON and writes it again. */
export async function openHopTokens(): Promise<Target<string>> {
  const { readToken } = await internal<HopTokenModule>('chain/dist/wire/token.js')
  return {
    inputs,
    read(text) {
      const token = readToken(text)
      const fault = tokenFault(text)
      check((token === null) === (fault !== null), `it is ${token ? 'read' : 'refused'}: ${fault}`)
      if (token === null) return fault!
      const { alg, thumbprint, claims, signature, signingInput } = token
      const header = { alg, typ: 'svid-hop+jwt', 'x5t#S256': thumbprint }
      const { sub, aud, iat, exp, prv, singleUse } = claims
      const ids = { sub: sub.toString(), aud: aud.toString() }
      const payload = { ...ids, iat, exp, ...(prv !== null && { prv }), ...singleUse }
      const again = [header, payload].map((part) => encoded(JSON.stringify(part)))
      check(again.join('.') === signingInput, 'it is not what was signed')
      check(`${signingInput}.${encoded(signature)}` === text, 'it is not the text')
      return ACCEPTED
    },
    bytesOf: (text) => Buffer.from(text),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function encoded(data: string | Uint8Array): string {
  return Buffer.from(data).toString('base64url')
}

/** Why a text is no token; `null`: it is one. */
function tokenFault(text: string): string | null {
  const parts = text.split('.')
  if (parts.length !== 3) return 'parts'
  if (!parts.every(isExact)) return 'base64url'
  const [header, payload] = parts.map((part) => parsed(Buffer.from(part, 'base64url')))
  if (!header || !payload) return 'JSON'
  return headerFault(header) ?? claimsFault(payload)
}

function isExact(text: string): boolean {
  return encoded(Buffer.from(text, 'base64url')) === text
}

/** An object with members that `JSON.stringify` writes as they stand. */
function parsed(octets: Buffer): Record<string, unknown> | null {
  try {
    const value = JSON.parse(octets.toString('latin1')) as unknown
    const isSame = JSON.stringify(value) === octets.toString('latin1')
    return isSame && value?.constructor === Object ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function headerFault(header: Record<string, unknown>): string | null {
  const { alg, typ, 'x5t#S256': thumbprint } = header
  if (Object.keys(header).join() !== 'alg,typ,x5t#S256' || typ !== 'svid-hop+jwt') return 'header'
  if (typeof alg !== 'string' || !/^[!-~]{1,16}$/.test(alg) || /["\\]/.test(alg)) return 'alg'
  return isOctets(thumbprint, 32) ? null : 'x5t#S256'
}

const MEMBERS = /^sub,aud,iat,exp(?:,prv)?(?:,jti,req)?$/

function claimsFault(claims: Record<string, unknown>): string | null {
  const { sub, aud, iat, exp, prv, jti, req } = claims
  if (!MEMBERS.test(Object.keys(claims).join())) return 'members'
  if (![sub, aud].every(isWorkload)) return 'SPIFFE ID'
  if (![iat, exp].every(isTime)) return 'times'
  if (prv !== undefined && !isOctets(prv, 32)) return 'prv'
  if (jti === undefined) return null
  return isOctets(jti, 16) && isOctets(req, 32) ? null : 'jti and req'
}

function isWorkload(value: unknown): boolean {
  return typeof value === 'string' && isSpiffeId(value) && value.split('/').length > 3
}

function isTime(value: unknown): boolean {
  return (
    Number.isInteger(value) && Number(value) >= 0 && Number(value) < 1e12 && !Object.is(value, -0)
  )
}

function isOctets(value: unknown, length: number): boolean {
  return (
    typeof value === 'string' && isExact(value) && Buffer.from(value, 'base64url').length === length
  )
}
