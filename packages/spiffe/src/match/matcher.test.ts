import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import { TrustDomain } from '../id/trust-domain.ts'
import { and, not, or } from './algebra.ts'
import { SpiffeIdMatcher } from './matcher.ts'
import { pattern } from './pattern.ts'
import { anyId, id, memberOf, oneOf } from './sets.ts'

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
  anyId(),
  oneOf(),
  id('spiffe://example.org/acme/web'),
  oneOf('spiffe://example.org', 'spiffe://example.com/acme/web'),
  memberOf('example.org'),
  pattern('spiffe://example.org/{tenant}/api-*'),
  pattern('spiffe://example.com/**'),
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

describe('sets', () => {
  test('anyId matches all', () => {
    expect(matched(anyId())).toEqual(ids.map(String))
  })

  test('id matches one, given as text or parsed', () => {
    const text = 'spiffe://example.org/acme/web'
    expect(matched(id(text))).toEqual([text])
    expect(matched(id(SpiffeId.parse(text)))).toEqual([text])
  })

  test('oneOf matches each, given as text or parsed', () => {
    const [first, second] = ['spiffe://example.org', 'spiffe://example.com/acme/web'] as const
    expect(matched(oneOf(first, SpiffeId.parse(second)))).toEqual([first, second])
  })

  test('oneOf nothing matches nothing', () => {
    expect(matched(oneOf())).toEqual([])
  })

  test('memberOf matches a trust domain, given by name, by ID or parsed', () => {
    const expected = ['spiffe://example.com/acme/web', 'spiffe://example.com/acme/api-v1']
    expect(matched(memberOf('example.com'))).toEqual(expected)
    expect(matched(memberOf('spiffe://example.com'))).toEqual(expected)
    expect(matched(memberOf(TrustDomain.parse('example.com')))).toEqual(expected)
  })

  test('are not built from what is no identity', () => {
    expect(codeOf(() => id('spiffe://example.org/'))).toBe('invalid-spiffe-id')
    expect(codeOf(() => oneOf('spiffe://example.org', 'example.org'))).toBe('invalid-spiffe-id')
    expect(codeOf(() => memberOf('Example.org'))).toBe('invalid-trust-domain')
  })
})

describe('algebra', () => {
  test('and, or and not mean on every ID what they mean in logic, nested too', () => {
    for (const a of simple) {
      for (const b of simple) {
        for (const each of ids) {
          const [inA, inB] = [a.matches(each), b.matches(each)]
          expect(and(a, b).matches(each)).toBe(inA && inB)
          expect(or(a, b).matches(each)).toBe(inA || inB)
          expect(not(a).matches(each)).toBe(!inA)
          expect(not(and(a, not(b))).matches(each)).toBe(!inA || inB)
          expect(or(and(a, b), and(not(a), not(b))).matches(each)).toBe(inA === inB)
        }
      }
    }
  })

  test('every matcher captures if and only if it matches', () => {
    const all = simple.flatMap((a) => [a, not(a), ...simple.flatMap((b) => [and(a, b), or(a, b)])])
    for (const matcher of all) {
      for (const each of ids) {
        expect(matcher.capture(each) !== null).toBe(matcher.matches(each))
      }
    }
  })

  test('or without matchers matches nothing; and without matchers is refused', () => {
    expect(matched(or())).toEqual([])
    expect(codeOf(() => and())).toBe('invalid-pattern')
  })

  test('one matcher alone stays what it is', () => {
    for (const matcher of simple) {
      expect(matched(and(matcher))).toEqual(matched(matcher))
      expect(matched(or(matcher))).toEqual(matched(matcher))
    }
  })

  test('and captures what all capture, or what the first that matches captures, not nothing', () => {
    const api = SpiffeId.parse('spiffe://example.org/acme/api-v1')
    const tenant = pattern('spiffe://example.org/{tenant}/*')
    const workload = pattern('spiffe://example.org/*/{workload}')
    const swapped = pattern('spiffe://example.org/*/{tenant}')
    const none = pattern('spiffe://example.com/{tenant}/*')
    const captured = (matcher: SpiffeIdMatcher): unknown => matcher.capture(api)

    expect(captured(and(tenant, anyId(), workload))).toEqual(
      new Map([
        ['tenant', 'acme'],
        ['workload', 'api-v1'],
      ]),
    )
    expect(captured(and(tenant, swapped))).toEqual(new Map([['tenant', 'acme']]))
    expect(captured(and(tenant, none))).toBeNull()
    expect(captured(or(none, workload, tenant))).toEqual(new Map([['workload', 'api-v1']]))
    expect(captured(or(none, oneOf()))).toBeNull()
    expect(captured(not(none))).toEqual(new Map())
    expect(captured(not(tenant))).toBeNull()
  })

  test('takes matchers only', () => {
    for (const value of ['spiffe://example.org', undefined, { matches: () => true }]) {
      for (const build of [and, or, not]) {
        expect(codeOf(() => Reflect.apply(build, undefined, [value]))).toBe('invalid-pattern')
      }
      expect(codeOf(() => Reflect.apply(and, undefined, [anyId(), value]))).toBe('invalid-pattern')
    }
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
    expect(matched(and(memberOf('example.org'), new ShortPath()))).toEqual([
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
    for (const matcher of [and(late), or(late), not(late), not(not(late)), or(oneOf(), late)]) {
      expect(codeOf(() => matcher.matches(ids[0]!))).toBe('invalid-pattern')
      expect(codeOf(() => matcher.capture(ids[0]!))).toBe('invalid-pattern')
    }
    expect(codeOf(() => late.capture(ids[0]!))).toBe('invalid-pattern')
  })
})

test.each([
  [anyId(), `anyId()`],
  [id('spiffe://example.org/acme/web'), `id('spiffe://example.org/acme/web')`],
  [oneOf(), `oneOf()`],
  [
    oneOf('spiffe://example.org/a', SpiffeId.parse('spiffe://example.org/b')),
    `oneOf('spiffe://example.org/a', 'spiffe://example.org/b')`,
  ],
  [memberOf(TrustDomain.parse('example.org')), `memberOf('example.org')`],
  [
    pattern('spiffe://example.org/{tenant}/api-*'),
    `pattern('spiffe://example.org/{tenant}/api-*')`,
  ],
  [or(), `or()`],
  [
    and(memberOf('example.org'), not(or(id('spiffe://example.org/a'), oneOf()))),
    `and(memberOf('example.org'), not(or(id('spiffe://example.org/a'), oneOf())))`,
  ],
])('a matcher prints as the source that builds it: %s', (matcher, source) => {
  expect(matcher.toString()).toBe(source)
  expect(JSON.stringify([matcher])).toBe(JSON.stringify([source]))
  expect(inspect(matcher)).toBe(`SpiffeIdMatcher(${source})`)
})
