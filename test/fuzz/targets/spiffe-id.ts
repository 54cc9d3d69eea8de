import { SpiffeError, SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { codeOf } from '../support/own-error.ts'
import { edited, edits } from '../support/mutation.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

// SPIFFE-ID §2: the grammar of §2.1 to §2.3 as a regular expression.
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/
export const SPIFFE_ID: RegExp =
  /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/
const MAX_BYTES = 2048

export function isSpiffeId(text: string): boolean {
  return text.length <= MAX_BYTES && SPIFFE_ID.test(text)
}

/** What SPIFFE IDs are made of, and what only looks like it. */
const PIECES = [
  'spiffe://',
  'example.org',
  '/',
  'a',
  'Z',
  '0',
  '-',
  '_',
  '.',
  '..',
  '...',
  '/acme/web',
  'SPIFFE://',
  'spiffe:/',
  'https://',
  '//',
  ':',
  ':443',
  '@',
  '?',
  '#',
  '%2e',
  '%2F',
  '\\',
  '*',
  '{',
  '}',
  '[::1]',
  ' ',
  '\0',
  '\n',
  '\r',
  '\t',
  '\u00a0',
  '\ufeff',
  '\u2028',
  'é',
  'ſ',
  'K',
  'ı',
  '。',
  '／',
  '\ud800',
  '😀',
  'x'.repeat(250),
  'y/'.repeat(900),
]

/** Texts that are SPIFFE IDs, nearly, or not at all. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc
    .array(fc.constantFrom(...PIECES.slice(0, 12)), { maxLength: 10 })
    .map((pieces) => `spiffe://example.org/${pieces.join('')}`),
  edits.map((changes) =>
    edited(Buffer.from('spiffe://example.org/acme/web-1.2_3'), changes).toString('latin1'),
  ),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => `spiffe://${text}`),
)

export const openSpiffeIds = (): Target<string> => ({
  inputs: texts,
  read(text) {
    const parsed = SpiffeId.safeParse(text)
    check(parsed.ok === isSpiffeId(text), `the grammar says ${isSpiffeId(text)}`)
    check(parsed.ok === parses(() => SpiffeId.parse(text)), 'parse and safeParse differ')
    if (!parsed.ok) return codeOfQuoting(parsed.error)
    const { value: id } = parsed
    const parts = [id.trustDomain.name, ...id.segments].join('/')
    check(id.toString() === text, 'it is another text')
    check(`spiffe://${parts}` === text, 'its parts are not the whole')
    check(SpiffeId.of(id.trustDomain, ...id.segments).equals(id), 'its parts make another ID')
    return ACCEPTED
  },
  bytesOf: (text) => Buffer.from(text),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

export const openTrustDomains = (): Target<string> => ({
  inputs: fc.oneof(
    texts,
    texts.map((text) => text.replace('spiffe://', '')),
  ),
  read(text) {
    const parsed = TrustDomain.safeParse(text)
    const name = isSpiffeId(text) ? text.split('/')[2] : text
    const isGood = isSpiffeId(text) || TRUST_DOMAIN.test(text)
    check(parsed.ok === isGood, `the grammar says ${isGood}`)
    if (!parsed.ok) return codeOfQuoting(parsed.error)
    check(parsed.value.name === name, 'it has another name')
    check(parsed.value.id.toString() === `spiffe://${name}`, 'it has another ID')
    return ACCEPTED
  },
  bytesOf: (text) => Buffer.from(text),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

function parses(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    codeOfQuoting(error)
    return false
  }
}

/** These errors name the offending value, which may look like anything; it has to be short and printable. */
function codeOfQuoting(error: unknown): string {
  if (!(error instanceof SpiffeError)) return codeOf(error, SpiffeError)
  const isPrintable = /^[\x20-\x7e…]{1,1000}$/.test(error.message)
  check(isPrintable, 'the message is long, or not printable')
  return error.code
}
