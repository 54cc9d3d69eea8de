import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import { pathTemplate } from './path-template.ts'
import { parseMatcher, matchPattern } from './pattern.ts'

function matches(text: string, path: string): boolean {
  return matchPattern(`spiffe://example.org${text}`).matches(
    SpiffeId.parse(`spiffe://example.org${path}`),
  )
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

/** All texts of up to `length` characters out of `alphabet`. */
function texts(alphabet: readonly string[], length: number): string[] {
  if (length === 0) return ['']
  const shorter = texts(alphabet, length - 1)
  const longest = shorter.filter((text) => text.length === length - 1)
  return [...shorter, ...longest.flatMap((text) => alphabet.map((it) => text + it))]
}

describe('a pattern', () => {
  test.each([
    ['', '', true],
    ['', '/a', false],
    ['/web', '/web', true],
    ['/web', '/Web', false],
    ['/web', '/web/a', false],
    ['/web', '', false],
    ['/*', '/web', true],
    ['/*', '', false],
    ['/*', '/web/a', false],
    ['/*/*', '/web/a', true],
    ['/api-*', '/api-v1', true],
    ['/api-*', '/api-', true],
    ['/api-*', '/api', false],
    ['/api-*', '/xapi-', false],
    ['/*-api', '/v1-api', true],
    ['/*-api', '/-api', true],
    ['/*-api', '/v1-api-', false],
    ['/v*-a*z', '/v1-az', true],
    ['/v*-a*z', '/v1-a', false],
    ['/a.c', '/abc', false],
    ['/ab*ba', '/aba', false],
    ['/ab*ba', '/abba', true],
    ['/a*aa', '/aa', false],
    ['/.*', '/.a', true],
    ['/.*', '/...', true],
    ['/{tenant}', '/acme', true],
    ['/{tenant}', '', false],
    ['/{tenant}', '/acme/web', false],
    ['/{tenant}/api-*/{part}', '/acme/api-v1/x', true],
    ['/**', '', false],
    ['/**', '/a', true],
    ['/**', '/a/b/c', true],
    ['/a/**', '/a', false],
    ['/a/**', '/a/b', true],
    ['/{tenant}/**', '/acme', false],
    ['/{tenant}/**', '/acme/web/1', true],
  ])('whose path is %j on the path %j: %s', (text, path, expected) => {
    expect(matches(text, path)).toBe(expected)
  })

  test('matches in its own trust domain only', () => {
    const foreign = SpiffeId.parse('spiffe://example.com/acme/web')
    expect(matchPattern('spiffe://example.org/**').matches(foreign)).toBe(false)
    expect(matchPattern('spiffe://example.org/{tenant}/*').capture(foreign)).toBeNull()
    expect(matchPattern('spiffe://example.com/**').matches(foreign)).toBe(true)
  })

  test('agrees with a regular expression on all short segments', () => {
    const candidates = texts(['a', 'b'], 5).filter((text) => text !== '')
    const patterns = texts(['a', 'b', '*'], 5).filter((text) => text !== '' && !text.includes('**'))
    expect(patterns.length).toBeGreaterThan(200)
    const disagreements: string[] = []
    for (const text of patterns) {
      const compiled = matchPattern(`spiffe://example.org/${text}`)
      const expected = new RegExp(`^${text.replaceAll('*', '.*')}$`)
      for (const candidate of candidates) {
        const actual = compiled.matches(SpiffeId.of('example.org', candidate))
        if (actual !== expected.test(candidate)) disagreements.push(`${text} ${candidate}`)
      }
    }
    expect(disagreements).toEqual([])
  })

  test.each([
    ['a*a*a*a*b', 'a'.repeat(2000), false],
    ['a*'.repeat(900) + 'b', 'a'.repeat(2000), false],
    ['a*'.repeat(900) + 'b', 'a'.repeat(1999) + 'b', true],
    ['*a'.repeat(900) + '*b*', 'a'.repeat(2000), false],
    ['*' + 'a'.repeat(900) + 'b*', 'a'.repeat(2000), false],
    ['ab*'.repeat(600) + 'c', 'ab'.repeat(1000), false],
    ['ab*'.repeat(600) + 'c', 'ab'.repeat(1000) + 'c', true],
  ])(
    'does not backtrack: case %#, where trying all splits would never end',
    (text, path, expected) => {
      expect(matches(`/${text}`, `/${path}`)).toBe(expected)
    },
  )

  test('captures whole segments by name, byte for byte', () => {
    const tenant = matchPattern('spiffe://example.org/{tenant}/*/{_part2}/**')
    expect(tenant.capture(SpiffeId.parse('spiffe://example.org/Acme.1/x/-_/y/z'))).toEqual(
      new Map([
        ['tenant', 'Acme.1'],
        ['_part2', '-_'],
      ]),
    )
    expect(tenant.capture(SpiffeId.parse('spiffe://example.org/Acme.1/x/-_'))).toBeNull()
  })

  test('captures under names that objects have a meaning for', () => {
    const odd = matchPattern('spiffe://example.org/{__proto__}/{constructor}')
    const captures = odd.capture(SpiffeId.parse('spiffe://example.org/a/b'))
    expect([...(captures ?? [])]).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })

  test('gives every caller captures of its own', () => {
    const tenant = matchPattern('spiffe://example.org/{tenant}')
    const acme = SpiffeId.parse('spiffe://example.org/acme')
    expect(tenant.capture(acme)).not.toBe(tenant.capture(acme))
  })

  test.each([
    ['', 'empty'],
    ['example.org/a', 'no scheme'],
    ['SPIFFE://example.org/*', 'upper-case scheme'],
    ['spiffe://', 'no trust domain'],
    ['spiffe:///a', 'no trust domain before a path'],
    ['spiffe://*/a', 'trust domain with a star'],
    ['spiffe://*.example.org/a', 'trust domain with a star in part'],
    ['spiffe://{domain}/a', 'captured trust domain'],
    ['spiffe://Example.org/*', 'upper-case trust domain'],
    ['spiffe://example.org:443/*', 'port'],
    ['spiffe://example.org/', 'trailing slash'],
    ['spiffe://example.org/a/', 'trailing slash after a segment'],
    ['spiffe://example.org//a', 'empty segment'],
    ['spiffe://example.org/../a', 'dot segment'],
    ['spiffe://example.org/./*', 'dot segment before a star'],
    ['spiffe://example.org/a%2f*', 'percent-encoding'],
    ['spiffe://example.org/é*', 'not ASCII'],
    ['spiffe://example.org/a?', 'question mark'],
    ['spiffe://example.org/[ab]', 'brackets'],
    ['spiffe://example.org/**/a', '** before the end'],
    ['spiffe://example.org/**/**', '** twice'],
    ['spiffe://example.org/a**', '** in a segment'],
    ['spiffe://example.org/a**b', '** within a segment'],
    ['spiffe://example.org/***', 'three stars'],
    ['spiffe://example.org/{}', 'capture without name'],
    ['spiffe://example.org/{1a}', 'name that starts with a digit'],
    ['spiffe://example.org/{a-b}', 'name with a hyphen'],
    ['spiffe://example.org/{a b}', 'name with a space'],
    ['spiffe://example.org/{*}', 'name with a star'],
    ['spiffe://example.org/{a', 'capture left open'],
    ['spiffe://example.org/a}', 'capture never opened'],
    ['spiffe://example.org/api-{name}', 'capture of a part'],
    ['spiffe://example.org/{a}{b}', 'two captures in a segment'],
    ['spiffe://example.org/{a}/{a}', 'name used twice'],
    ['spiffe://example.org/'.padEnd(2049, '*a'), 'too long'],
  ])('is refused: %s (%s)', (text) => {
    expect(codeOf(() => matchPattern(text))).toBe('invalid-pattern')
  })

  test('is a string', () => {
    expect(codeOf(() => Reflect.apply(matchPattern, undefined, [undefined]))).toBe(
      'invalid-pattern',
    )
  })

  test('may be as long as a SPIFFE ID', () => {
    expect(codeOf(() => matchPattern('spiffe://example.org/'.padEnd(2048, 'a*')))).toBe('built')
  })
})

describe('parseMatcher', () => {
  test.each([
    ['spiffe://example.org', "matchId('spiffe://example.org')"],
    ['spiffe://example.org/acme/web', "matchId('spiffe://example.org/acme/web')"],
    ['spiffe://example.org/acme/*', "matchPattern('spiffe://example.org/acme/*')"],
    ['spiffe://example.org/{tenant}', "matchPattern('spiffe://example.org/{tenant}')"],
    ['spiffe://example.org/**', "matchPattern('spiffe://example.org/**')"],
  ])('reads %s as %s', (text, expected) => {
    expect(parseMatcher(text).toString()).toBe(expected)
  })

  test('refuses what is neither', () => {
    expect(codeOf(() => parseMatcher(''))).toBe('invalid-spiffe-id')
    expect(codeOf(() => parseMatcher('spiffe://example.org/a}'))).toBe('invalid-spiffe-id')
    expect(codeOf(() => Reflect.apply(parseMatcher, undefined, [5]))).toBe('invalid-spiffe-id')
    expect(codeOf(() => parseMatcher('*'))).toBe('invalid-pattern')
    expect(codeOf(() => parseMatcher('spiffe://example.org/{'))).toBe('invalid-pattern')
  })
})

describe('a path template', () => {
  const template = pathTemplate('/{tenant}/{workload}')

  test('reads names out of a path, byte for byte, in any trust domain', () => {
    for (const domain of ['example.org', 'example.com']) {
      expect(template.capture(SpiffeId.of(domain, 'Acme.1', 'web'))).toEqual(
        new Map([
          ['tenant', 'Acme.1'],
          ['workload', 'web'],
        ]),
      )
    }
  })

  test.each(['', '/acme', '/acme/web/1'])(
    'does not match another number of segments: %j',
    (path) => {
      expect(template.capture(SpiffeId.parse(`spiffe://example.org${path}`))).toBeNull()
    },
  )

  test('has the grammar of a pattern', () => {
    const k8s = pathTemplate('/ns/{tenant}/sa/app-*')
    expect(k8s.capture(SpiffeId.of('example.org', 'ns', 'acme', 'sa', 'app-1'))).toEqual(
      new Map([['tenant', 'acme']]),
    )
    expect(k8s.capture(SpiffeId.of('example.org', 'ns', 'acme', 'sa', 'job-1'))).toBeNull()
    const open = pathTemplate('/{tenant}/**')
    expect(open.capture(SpiffeId.of('example.org', 'acme'))).toBeNull()
    expect(open.capture(SpiffeId.of('example.org', 'acme', 'a', 'b'))?.get('tenant')).toBe('acme')
  })

  test('knows its names and its text', () => {
    expect(template.names).toEqual(['tenant', 'workload'])
    expect(Object.isFrozen(template.names)).toBe(true)
    expect(pathTemplate('/ns/*').names).toEqual([])
    expect(template.toString()).toBe('/{tenant}/{workload}')
    expect(inspect(template)).toBe('PathTemplate(/{tenant}/{workload})')
  })

  test.each([
    '',
    '/',
    '{tenant}',
    'spiffe://example.org/{tenant}',
    '//{tenant}',
    '/{tenant}/',
    '/{tenant}/{tenant}',
    '/**/{tenant}',
    '/x-{tenant}',
    '/../{tenant}',
    '/{tenant}'.padEnd(2049, 'a'),
  ])('is refused: %j', (text) => {
    expect(codeOf(() => pathTemplate(text))).toBe('invalid-pattern')
  })
})
