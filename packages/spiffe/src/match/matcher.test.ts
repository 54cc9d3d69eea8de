import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { SpiffeId, TrustDomain } from '../id/spiffe-id.ts'
import { allOf, not, anyOf } from './algebra.ts'
import { SpiffeIdMatcher } from './matcher.ts'
import { matchPattern } from './pattern.ts'
import { matchAny, matchId, matchMemberOf, matchOneOf } from './sets.ts'
import { toMatcher } from './to-matcher.ts'

const ids = [
  'spiffe://example.org',
  'spiffe://example.org/acme/web',
  'spiffe://example.org/acme/api-v1',
  'spiffe://example.org/globex/api-v1',
  'spiffe://example.org/globex/jobs/nightly',
  'spiffe://example.com/acme/web',
  'spiffe://example.com/acme/api-v1',
].map((text) => SpiffeId.parse(text))

const simple = [
  matchAny(),
  matchOneOf(),
  matchId('spiffe://example.org/acme/web'),
  matchOneOf('spiffe://example.org', 'spiffe://example.com/acme/web'),
  matchMemberOf('example.org'),
  matchPattern('spiffe://example.org/{tenant}/api-*'),
  matchPattern('spiffe://example.com/**'),
]

function matched(matcher: SpiffeIdMatcher): string[] {
  return ids.filter((each) => matcher.matches(each)).map(String)
}

function codeOf(build: () => unknown): string {
  try {
    build()
  } catch (error) {
    if (error instanceof SpiffeError) return error.code
    throw error
  }
  return 'built'
}

class Even extends SpiffeIdMatcher {
  matches({ path }: SpiffeId): boolean {
    return path.length % 2 === 0
  }

  toString(): string {
    return 'Even'
  }
}

describe('isFixed', () => {
  test('holds for every matcher of this package', () => {
    const composed = [anyOf(...simple), allOf(...simple), not(simple[0]!)]
    for (const matcher of [...simple, ...composed]) expect(matcher.isFixed).toBe(true)
  })

  test('does not hold for another class, nor for what one is inside of', () => {
    const even = new Even()
    const composed = [anyOf(matchAny(), even), allOf(even, matchAny()), not(even), not(anyOf(even))]
    for (const matcher of [even, ...composed]) expect(matcher.isFixed).toBe(false)
  })
})

describe('sets', () => {
  test('matchAny matches all', () => {
    expect(matched(matchAny())).toEqual(ids.map(String))
  })

  test('matchId matches one, given as a string or parsed', () => {
    const text = 'spiffe://example.org/acme/web'
    expect(matched(matchId(text))).toEqual([text])
    expect(matched(matchId(SpiffeId.parse(text)))).toEqual([text])
  })

  test('matchOneOf matches each, given as strings or parsed', () => {
    const [first, second] = ['spiffe://example.org', 'spiffe://example.com/acme/web'] as const
    expect(matched(matchOneOf(first, SpiffeId.parse(second)))).toEqual([first, second])
  })

  test('matchOneOf without arguments matches nothing', () => {
    expect(matched(matchOneOf())).toEqual([])
  })

  test('matchMemberOf matches a trust domain, given by name, by ID or parsed', () => {
    const expected = ['spiffe://example.com/acme/web', 'spiffe://example.com/acme/api-v1']
    expect(matched(matchMemberOf('example.com'))).toEqual(expected)
    expect(matched(matchMemberOf('spiffe://example.com'))).toEqual(expected)
    expect(matched(matchMemberOf(TrustDomain.parse('example.com')))).toEqual(expected)
  })

  test('are not built from what is no identity', () => {
    expect(codeOf(() => matchId('spiffe://example.org/'))).toBe('invalid-spiffe-id')
    expect(codeOf(() => matchOneOf('spiffe://example.org', 'example.org'))).toBe(
      'invalid-spiffe-id',
    )
    expect(codeOf(() => matchMemberOf('Example.org'))).toBe('invalid-trust-domain')
  })
})

describe('algebra', () => {
  test('allOf, anyOf and not mean on every ID what they mean in logic, nested too', () => {
    for (const a of simple) {
      for (const b of simple) {
        for (const each of ids) {
          const [inA, inB] = [a.matches(each), b.matches(each)]
          expect(allOf(a, b).matches(each)).toBe(inA && inB)
          expect(anyOf(a, b).matches(each)).toBe(inA || inB)
          expect(not(a).matches(each)).toBe(!inA)
          expect(not(allOf(a, not(b))).matches(each)).toBe(!inA || inB)
          expect(anyOf(allOf(a, b), allOf(not(a), not(b))).matches(each)).toBe(inA === inB)
        }
      }
    }
  })

  test('every matcher captures if and only if it matches', () => {
    const all = simple.flatMap((a) => [
      a,
      not(a),
      ...simple.flatMap((b) => [allOf(a, b), anyOf(a, b)]),
    ])
    for (const matcher of all) {
      for (const each of ids) {
        expect(matcher.capture(each) !== null).toBe(matcher.matches(each))
      }
    }
  })

  test('anyOf without matchers matches nothing; allOf without matchers is refused', () => {
    expect(matched(anyOf())).toEqual([])
    expect(codeOf(() => allOf())).toBe('invalid-pattern')
  })

  test('one matcher alone stays what it is', () => {
    for (const matcher of simple) {
      expect(matched(allOf(matcher))).toEqual(matched(matcher))
      expect(matched(anyOf(matcher))).toEqual(matched(matcher))
    }
  })

  test('allOf captures what all capture, anyOf what the first that matches captures, not nothing', () => {
    const api = SpiffeId.parse('spiffe://example.org/acme/api-v1')
    const tenant = matchPattern('spiffe://example.org/{tenant}/*')
    const workload = matchPattern('spiffe://example.org/*/{workload}')
    const swapped = matchPattern('spiffe://example.org/*/{tenant}')
    const none = matchPattern('spiffe://example.com/{tenant}/*')
    const captured = (matcher: SpiffeIdMatcher): unknown => matcher.capture(api)

    expect(captured(allOf(tenant, matchAny(), workload))).toEqual(
      new Map([
        ['tenant', 'acme'],
        ['workload', 'api-v1'],
      ]),
    )
    expect(captured(allOf(tenant, swapped))).toEqual(new Map([['tenant', 'acme']]))
    expect(captured(allOf(tenant, none))).toBeNull()
    expect(captured(anyOf(none, workload, tenant))).toEqual(new Map([['workload', 'api-v1']]))
    expect(captured(anyOf(none, matchOneOf()))).toBeNull()
    expect(captured(not(none))).toEqual(new Map())
    expect(captured(not(tenant))).toBeNull()
  })

  test('takes SPIFFE IDs and patterns as strings, and parsed IDs, for matchers', () => {
    const text = 'spiffe://example.org/acme/web'
    const web = matchId(text)
    const apis = matchPattern('spiffe://example.org/*/api-*')
    for (const build of [allOf, anyOf, not]) {
      expect(String(build(text))).toBe(String(build(web)))
      expect(String(build(SpiffeId.parse(text)))).toBe(String(build(web)))
      expect(String(build('spiffe://example.org/*/api-*'))).toBe(String(build(apis)))
    }
    expect(String(anyOf(text, apis, 'spiffe://example.com/**'))).toBe(
      String(anyOf(web, apis, matchPattern('spiffe://example.com/**'))),
    )
  })

  test('refuses whatever else stands for a matcher', () => {
    for (const value of [undefined, { matches: () => true }, 'spiffe://example.org']) {
      for (const build of [allOf, anyOf, not]) {
        expect(codeOf(() => Reflect.apply(build, undefined, [value]))).toBe('invalid-pattern')
      }
      expect(codeOf(() => Reflect.apply(allOf, undefined, [matchAny(), value]))).toBe(
        'invalid-pattern',
      )
    }
    expect(codeOf(() => not('example.org'))).toBe('invalid-spiffe-id')
  })
})

describe('toMatcher', () => {
  test('returns a matcher as it is', () => {
    for (const matcher of simple) expect(toMatcher(matcher)).toBe(matcher)
  })

  test('reads a string with a wildcard or a capture as a pattern, any other as one SPIFFE ID', () => {
    for (const text of ['spiffe://example.org/*', 'spiffe://example.org/{tenant}/web']) {
      expect(toMatcher(text).toString()).toBe(`matchPattern('${text}')`)
    }
    const text = 'spiffe://example.org/acme/web'
    expect(toMatcher(text).toString()).toBe(`matchId('${text}')`)
    expect(toMatcher(SpiffeId.parse(text)).toString()).toBe(`matchId('${text}')`)
  })

  test.each([
    ['an ID without a path as a string', 'spiffe://example.org'],
    ['an ID without a path', SpiffeId.parse('spiffe://example.org')],
    ['a trust domain', TrustDomain.parse('example.org')],
    ['a list', ['spiffe://example.org/acme/web']],
    ['a pattern over trust domains', 'spiffe://*/acme/web'],
    ['nothing', undefined],
    ['null', null],
  ])('refuses %s, which can be read in two ways or in none', (_, value) => {
    expect(codeOf(() => Reflect.apply(toMatcher, undefined, [value]))).toBe('invalid-pattern')
  })

  test.each([
    ['the name of a trust domain', 'example.org'],
    ['an ID that is misspelt', 'spiffe://example.org/acme//web'],
    ['an ID with an end of its own', 'spiffe://example.org/acme/'],
    ['an empty string', ''],
  ])('refuses %s as no SPIFFE ID', (_, value) => {
    expect(codeOf(() => toMatcher(value))).toBe('invalid-spiffe-id')
  })
})

describe("a matcher of a caller's own", () => {
  class ShortPath extends SpiffeIdMatcher {
    matches(candidate: SpiffeId): boolean {
      return candidate.path.length < 12
    }

    toString(): string {
      return 'new ShortPath()'
    }
  }

  test('takes part in the algebra', () => {
    expect(matched(allOf(matchMemberOf('example.org'), new ShortPath()))).toEqual([
      'spiffe://example.org',
      'spiffe://example.org/acme/web',
    ])
    expect(new ShortPath().capture(ids[1]!)).toEqual(new Map())
    expect(not(new ShortPath()).toString()).toBe('not(new ShortPath())')
  })

  test('lets nobody in by an answer that is no boolean, such as a promise', () => {
    class Late extends ShortPath {
      override matches(): boolean {
        // @ts-expect-error what only a caller without types can do
        return Promise.resolve(false)
      }
    }
    const late = new Late()
    for (const matcher of [
      allOf(late),
      anyOf(late),
      not(late),
      not(not(late)),
      anyOf(matchOneOf(), late),
    ]) {
      expect(codeOf(() => matcher.matches(ids[0]!))).toBe('invalid-pattern')
      expect(codeOf(() => matcher.capture(ids[0]!))).toBe('invalid-pattern')
    }
    expect(codeOf(() => late.capture(ids[0]!))).toBe('invalid-pattern')
  })
})

test.each([
  [matchAny(), `matchAny()`],
  [matchId('spiffe://example.org/acme/web'), `matchId('spiffe://example.org/acme/web')`],
  [matchOneOf(), `matchOneOf()`],
  [
    matchOneOf('spiffe://example.org/a', SpiffeId.parse('spiffe://example.org/b')),
    `matchOneOf('spiffe://example.org/a', 'spiffe://example.org/b')`,
  ],
  [matchMemberOf(TrustDomain.parse('example.org')), `matchMemberOf('example.org')`],
  [
    matchPattern('spiffe://example.org/{tenant}/api-*'),
    `matchPattern('spiffe://example.org/{tenant}/api-*')`,
  ],
  [anyOf(), `anyOf()`],
  [
    allOf(
      matchMemberOf('example.org'),
      not(anyOf(matchId('spiffe://example.org/a'), matchOneOf())),
    ),
    `allOf(matchMemberOf('example.org'), not(anyOf(matchId('spiffe://example.org/a'), matchOneOf())))`,
  ],
])('a matcher prints as the source that builds it: %s', (matcher, source) => {
  expect(matcher.toString()).toBe(source)
  expect(JSON.stringify([matcher])).toBe(JSON.stringify([source]))
  expect(inspect(matcher)).toBe(`SpiffeIdMatcher(${source})`)
})
