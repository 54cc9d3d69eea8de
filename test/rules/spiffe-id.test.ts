import {
  SpiffeError,
  SpiffeId,
  TrustDomain,
  matchId,
  matchMemberOf,
  matchOneOf,
  matchPattern,
} from '@fastify-spiffe/spiffe'
import { expect, test } from '@jest/globals'

/** Parses, and says how it ended: the text of the ID, or the code of the error that was thrown. */
function outcome(text: string): string {
  return ending(() => SpiffeId.parse(text))
}

function trustDomainOutcome(text: string): string {
  return ending(() => TrustDomain.parse(text))
}

function ending(parse: () => { toString(): string }): string {
  try {
    return parse().toString()
  } catch (error) {
    if (error instanceof SpiffeError) return error.code
    throw error
  }
}

// In the order of their codes.
const TRUST_DOMAIN_CHARACTERS = '-.0123456789_abcdefghijklmnopqrstuvwxyz'
const SEGMENT_CHARACTERS = '-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'

/** Every UTF-16 code unit, lone surrogates included. */
const ALL_CHARACTERS = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code))

test('rule 1: a SPIFFE ID starts with spiffe://', () => {
  expect(outcome('spiffe://example.org/web')).toBe('spiffe://example.org/web')
})

test.each([
  ['', 'nothing'],
  ['spiffe', 'the bare scheme'],
  ['spiffe:', 'no slashes'],
  ['spiffe:/example.org', 'one slash'],
  ['spiffe:example.org', 'an opaque URI'],
  ['://example.org', 'no scheme'],
  ['//example.org/web', 'a relative reference'],
  ['example.org/web', 'no scheme and no slashes'],
  ['https://example.org/web', 'another scheme'],
  ['spiffes://example.org/web', 'a scheme that only begins so'],
  [' spiffe://example.org/web', 'a space before'],
  ['\tspiffe://example.org/web', 'a tab before'],
  ['\u{feff}spiffe://example.org/web', 'a byte order mark before'],
])('rule 1: %j is refused: %s', (text) => {
  expect(outcome(text)).toBe('invalid-spiffe-id')
})

test('rule 2: an empty trust domain is refused', () => {
  expect(outcome('spiffe://')).toBe('invalid-spiffe-id')
  expect(outcome('spiffe:///web')).toBe('invalid-spiffe-id')
  expect(trustDomainOutcome('')).toBe('invalid-trust-domain')
  expect(trustDomainOutcome('spiffe://')).toBe('invalid-trust-domain')
})

test('rule 2: a trust domain of one character is accepted', () => {
  expect(outcome('spiffe://a/web')).toBe('spiffe://a/web')
  expect(trustDomainOutcome('a')).toBe('a')
})

test.each([
  'spiffe://example.org?',
  'spiffe://example.org#',
  'spiffe://example.org?a=b',
  'spiffe://example.org#a',
  'spiffe://example.org/web?',
  'spiffe://example.org/web#',
  'spiffe://example.org/web?a=b',
  'spiffe://example.org/web?a=b/c',
  'spiffe://example.org/web#a',
  'spiffe://example.org/web/?',
])('rule 3: a query or a fragment is refused, even an empty one: %s', (text) => {
  expect(outcome(text)).toBe('invalid-spiffe-id')
})

test.each([
  'spiffe://user@example.org/web',
  'spiffe://user:secret@example.org/web',
  'spiffe://@example.org/web',
  'spiffe://:@example.org/web',
  'spiffe://example.org:8443/web',
  'spiffe://example.org:/web',
  'spiffe://example.org:',
  'spiffe://:8443/web',
])('rule 4: userinfo or a port is refused, even an empty one: %s', (text) => {
  expect(outcome(text)).toBe('invalid-spiffe-id')
})

test('rule 4: a trust domain by its name has neither userinfo nor port', () => {
  expect(trustDomainOutcome('user@example.org')).toBe('invalid-trust-domain')
  expect(trustDomainOutcome('example.org:8443')).toBe('invalid-trust-domain')
  expect(trustDomainOutcome('example.org:')).toBe('invalid-trust-domain')
})

test('rule 5: of all characters, a trust domain may have lower-case letters, digits, dot, hyphen and underscore', () => {
  const accepted = ALL_CHARACTERS.filter((it) => TrustDomain.safeParse(`a${it}b`).ok)
  expect(accepted.join('')).toBe(TRUST_DOMAIN_CHARACTERS)
})

test('rule 5: those characters may stand anywhere in a trust domain, alone too', () => {
  for (const it of TRUST_DOMAIN_CHARACTERS) {
    for (const name of [it, `${it}a`, `a${it}`, `${it}${it}`]) {
      expect(TrustDomain.parse(name).name).toBe(name)
      expect(SpiffeId.parse(`spiffe://${name}/web`).trustDomain.name).toBe(name)
    }
  }
})

test('rule 5: a SPIFFE ID accepts the same trust domains as a trust domain by its name', () => {
  const accepted = ALL_CHARACTERS.filter((it) => SpiffeId.safeParse(`spiffe://a${it}b`).ok)
  // With `/`, what follows is the path.
  expect(accepted.join('')).toBe(TRUST_DOMAIN_CHARACTERS.replace('.', './'))
})

test.each([
  'spiffe://example%2eorg/web',
  'spiffe://%65xample.org/web',
  'spiffe://example.org%/web',
])('rule 6: a trust domain with percent-encoding is refused: %s', (text) => {
  expect(outcome(text)).toBe('invalid-spiffe-id')
  expect(trustDomainOutcome(text)).toBe('invalid-trust-domain')
})

test.each(['127.0.0.1', '10.0.0.256', '010.0.0.1', '1', '0x7f.1', 'localhost', '..', '-', 'a..b'])(
  'rule 7: %s is a name as any other, and stays as it is written',
  (name) => {
    const parsed = SpiffeId.parse(`spiffe://${name}/web`)
    expect(parsed.trustDomain.name).toBe(name)
    expect(parsed.path).toBe('/web')
    expect(matchMemberOf(name).matches(parsed)).toBe(true)
    expect(matchMemberOf('example.org').matches(parsed)).toBe(false)
  },
)

test('rule 7: a name that looks like another spelling of the same address is another trust domain', () => {
  expect(TrustDomain.parse('127.0.0.1').equals(TrustDomain.parse('127.0.0.01'))).toBe(false)
  expect(TrustDomain.parse('example.org').equals(TrustDomain.parse('example.org.'))).toBe(false)
})

test.each(['[::1]', '[2001:db8::1]', '::1'])('rule 7: an IPv6 address is refused: %s', (name) => {
  expect(outcome(`spiffe://${name}/web`)).toBe('invalid-spiffe-id')
  expect(trustDomainOutcome(name)).toBe('invalid-trust-domain')
})

test.each([254, 255])('rule 8: a trust domain of %d bytes is accepted', (length) => {
  const name = 'a'.repeat(length)
  expect(trustDomainOutcome(name)).toBe(name)
  expect(outcome(`spiffe://${name}`)).toBe(`spiffe://${name}`)
  expect(outcome(`spiffe://${name}/web`)).toBe(`spiffe://${name}/web`)
})

test.each([256, 257, 2048, 100_000])('rule 8: a trust domain of %d bytes is refused', (length) => {
  const name = 'a'.repeat(length)
  expect(trustDomainOutcome(name)).toBe('invalid-trust-domain')
  expect(outcome(`spiffe://${name}`)).toBe('invalid-spiffe-id')
  expect(outcome(`spiffe://${name}/web`)).toBe('invalid-spiffe-id')
})

test.each(['/%77eb', '/web%20', '/a%2Fb', '/%2e%2e/web', '/web%', '/a/%00'])(
  'rule 9: a path with percent-encoding is refused: %s',
  (path) => {
    expect(outcome(`spiffe://example.org${path}`)).toBe('invalid-spiffe-id')
  },
)

test.each([
  '//',
  '//web',
  '/acme//web',
  '/acme//',
  '/.',
  '/..',
  '/./web',
  '/acme/.',
  '/acme/../web',
  '/../..',
])('rule 10: an empty, "." or ".." segment is refused: %s', (path) => {
  expect(outcome(`spiffe://example.org${path}`)).toBe('invalid-spiffe-id')
})

test.each([
  '/...',
  '/....',
  '/..a',
  '/a..',
  '/.a',
  '/a.',
  '/a..b',
  '/-',
  '/_',
  '/.-',
  '/acme/.../web',
])('rule 10: a segment that only has dots in it is accepted: %s', (path) => {
  expect(SpiffeId.parse(`spiffe://example.org${path}`).path).toBe(path)
})

test.each(['', 'a', '.', '..', 'a/b', '/', '/a', 'a/'])(
  'rule 10: what is built from the segment %j is one legal segment or refused',
  (segment) => {
    const expected = segment === 'a' ? 'spiffe://example.org/acme/a' : 'invalid-spiffe-id'
    expect(ending(() => SpiffeId.of('example.org', 'acme', segment))).toBe(expected)
  },
)

test.each(['spiffe://example.org/', 'spiffe://example.org/web/', 'spiffe://example.org/acme/web/'])(
  'rule 11: a trailing slash is refused: %s',
  (text) => {
    expect(outcome(text)).toBe('invalid-spiffe-id')
    expect(trustDomainOutcome(text)).toBe('invalid-trust-domain')
  },
)

test('rule 11: without a path, it is the SPIFFE ID of the trust domain', () => {
  const parsed = SpiffeId.parse('spiffe://example.org')
  expect(parsed.path).toBe('')
  expect(parsed.segments).toEqual([])
  expect(parsed.equals(TrustDomain.parse('example.org').id)).toBe(true)
})

test('rule 12: of all characters, a segment may have letters, digits, dot, hyphen and underscore', () => {
  const accepted = ALL_CHARACTERS.filter(
    (it) => SpiffeId.safeParse(`spiffe://example.org/a${it}b`).ok,
  )
  // With `/`, it is two segments.
  expect(accepted.join('')).toBe(SEGMENT_CHARACTERS.replace('.', './'))
})

test.each([
  '/wéb',
  '/ｗｅｂ',
  '/w\u0435b',
  '/\u{1f600}',
  '/web\u200b',
  '/web\n',
  '/we\0b',
  '/a\\b',
])('rule 12: what is not ASCII or not printable is refused: %j', (path) => {
  expect(outcome(`spiffe://example.org${path}`)).toBe('invalid-spiffe-id')
})

test.each([2047, 2048])('rule 13: a SPIFFE ID of %d bytes is accepted', (length) => {
  const text = 'spiffe://example.org/'.padEnd(length, 'a')
  expect(outcome(text)).toBe(text)
  expect(outcome(`spiffe://example.org${'/a'.repeat(1014)}`)).toHaveLength(2048)
})

test.each([2049, 4096, 10_000_000])('rule 13: a SPIFFE ID of %d bytes is refused', (length) => {
  expect(outcome('spiffe://example.org/'.padEnd(length, 'a'))).toBe('invalid-spiffe-id')
  expect(outcome('spiffe://example.org'.padEnd(length, '/'))).toBe('invalid-spiffe-id')
})

test('rule 13: none longer than 2048 bytes is built', () => {
  const rest = 2048 - 'spiffe://example.org/'.length
  expect(SpiffeId.of('example.org', 'a'.repeat(rest)).toString()).toHaveLength(2048)
  expect(ending(() => SpiffeId.of('example.org', 'a'.repeat(rest + 1)))).toBe('invalid-spiffe-id')
})

test('rule 14: paths are distinguished by case', () => {
  const lower = SpiffeId.parse('spiffe://example.org/acme/web')
  const upper = SpiffeId.parse('spiffe://example.org/Acme/web')
  expect(upper.segments).toEqual(['Acme', 'web'])
  expect(upper.equals(lower)).toBe(false)
  expect(matchId(lower).matches(upper)).toBe(false)
  expect(matchOneOf(lower).matches(upper)).toBe(false)
  expect(matchPattern('spiffe://example.org/acme/*').matches(upper)).toBe(false)
  expect(matchPattern('spiffe://example.org/Acme/*').matches(upper)).toBe(true)
})

test.each([
  'SPIFFE://example.org/web',
  'Spiffe://example.org/web',
  'spiffE://example.org/web',
  'spiffe://Example.org/web',
  'spiffe://EXAMPLE.ORG/web',
])(
  'rule 14: an upper-case scheme or trust domain is refused, and so each ID has one spelling: %s',
  (text) => {
    expect(outcome(text)).toBe('invalid-spiffe-id')
    expect(trustDomainOutcome(text)).toBe('invalid-trust-domain')
  },
)

test.each(['example.org', 'spiffe://example.org', 'spiffe://example.org/acme/web'])(
  'rule 15: the trust domain of %s is example.org',
  (text) => {
    expect(TrustDomain.parse(text).name).toBe('example.org')
  },
)

test.each([
  'example.org/web',
  'example.org/',
  '/example.org',
  'https://example.org',
  'spiffe:example.org',
  'spiffe://example.org/a//b',
  'spiffe://example.org/a?b',
  'Example.org',
  'example%2eorg',
  'exämple.org',
])('rule 15: neither a bare name nor a full SPIFFE ID: %s', (text) => {
  expect(trustDomainOutcome(text)).toBe('invalid-trust-domain')
})

test.each([
  'spiffe://example.org/a/../b',
  'spiffe://example.org/a/./b',
  'spiffe://Example.org/b',
  'SPIFFE://example.org/b',
  'spiffe://exa\nmple.org/b',
  'spiffe://example.org/\tb',
  'spiffe://example.org/b\r\n',
  'spiffe://example.org/b c',
  'spiffe://example.org:8443/b',
  'spiffe://user@example.org/b',
  'spiffe://example.org\\b',
])('rule 16: what a URL parser would rewrite is refused: %j', (text) => {
  expect(outcome(text)).toBe('invalid-spiffe-id')
})

test('rule 16: a parsed SPIFFE ID is its text, byte for byte, and is compared so', () => {
  const text = 'spiffe://example.org/Acme/..a/web_1.0-x'
  const parsed = SpiffeId.parse(text)
  expect(parsed.toString()).toBe(text)
  expect(`spiffe://${parsed.trustDomain.name}${parsed.path}`).toBe(text)
  expect(parsed.equals(SpiffeId.of('example.org', ...parsed.segments))).toBe(true)
  expect(parsed.equals(SpiffeId.parse(`${text}x`))).toBe(false)
  expect(parsed.equals(SpiffeId.parse(text.replace('example', 'other')))).toBe(false)
})

test.each([
  ['spiffe://example.org/ns/a', 'spiffe://example.org/ns/a', true],
  ['spiffe://example.org/ns/a', 'spiffe://example.org/ns/ab', false],
  ['spiffe://example.org/ns/a', 'spiffe://example.org/ns/a/b', false],
  ['spiffe://example.org/ns/a/**', 'spiffe://example.org/ns/a/b', true],
  ['spiffe://example.org/ns/a/**', 'spiffe://example.org/ns/a/b/c', true],
  ['spiffe://example.org/ns/a/**', 'spiffe://example.org/ns/ab', false],
  ['spiffe://example.org/ns/a/**', 'spiffe://example.org/ns/ab/c', false],
  ['spiffe://example.org/ns/a/*', 'spiffe://example.org/ns/ab/c', false],
  ['spiffe://example.org/ns/a*', 'spiffe://example.org/ns/ab', true],
  ['spiffe://example.org/ns/a*', 'spiffe://example.org/ns/a/b', false],
  ['spiffe://example.org/{ns}/a', 'spiffe://example.org/ns/ab', false],
  ['spiffe://example.org/ns/{workload}', 'spiffe://example.org/ns/a/b', false],
  ['spiffe://example.org/**', 'spiffe://example.org.evil/ns/a', false],
])('rule 17: %s against %s on segment boundaries: %s', (text, candidate, expected) => {
  expect(matchPattern(text).matches(SpiffeId.parse(candidate))).toBe(expected)
})

test('rule 17: neither an exact ID nor a trust domain matches by prefix', () => {
  const candidate = SpiffeId.parse('spiffe://example.org/ns/ab')
  expect(matchId('spiffe://example.org/ns/a').matches(candidate)).toBe(false)
  expect(matchOneOf('spiffe://example.org/ns/a', 'spiffe://example.org').matches(candidate)).toBe(
    false,
  )
  expect(matchMemberOf('example.or').matches(candidate)).toBe(false)
  expect(matchMemberOf('example.org').matches(candidate)).toBe(true)
})
