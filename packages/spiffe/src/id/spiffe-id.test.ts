import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { SpiffeId, TrustDomain } from './spiffe-id.ts'

function errorOf(parse: () => unknown): SpiffeError {
  try {
    parse()
  } catch (error) {
    if (error instanceof SpiffeError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Never called: it compiles only as long as each of these lines is an error. */
function assignments(id: SpiffeId, trustDomain: TrustDomain): void {
  // @ts-expect-error readonly
  id.trustDomain = trustDomain
  // @ts-expect-error readonly
  id.path = '/root'
  // @ts-expect-error readonly
  id.segments = []
  // @ts-expect-error readonly
  id.segments[0] = 'root'
  // @ts-expect-error readonly
  id.segments.push('root')
  // @ts-expect-error readonly
  trustDomain.name = 'evil.example'
  // @ts-expect-error readonly
  trustDomain.id = id
  // @ts-expect-error private
  void new SpiffeId('spiffe://example.org', trustDomain, id)
}

/** Never called either: the compiler says of each that it is never the case. */
const comparisons = [
  // @ts-expect-error TS2367
  (id: SpiffeId) => id === 'spiffe://example.org/acme/web',
  // @ts-expect-error TS2367
  (id: SpiffeId) => id !== 'spiffe://example.org/acme/web',
  (id: SpiffeId) => {
    switch (id) {
      // @ts-expect-error TS2678
      case 'spiffe://example.org/acme/web':
        return true
      default:
        return false
    }
  },
  // @ts-expect-error TS2345
  (id: SpiffeId) => ['spiffe://example.org/acme/web'].includes(id),
  // @ts-expect-error TS2345
  (id: SpiffeId) => new Set(['spiffe://example.org/acme/web']).has(id),
]

describe('a SPIFFE ID', () => {
  const web = SpiffeId.parse('spiffe://example.org/acme/web')

  test('is read into trust domain, path and segments', () => {
    expect(web.trustDomain.equals(TrustDomain.parse('example.org'))).toBe(true)
    expect(web.path).toBe('/acme/web')
    expect(web.segments).toEqual(['acme', 'web'])
  })

  test('is its text, in JSON too', () => {
    expect(String(web)).toBe('spiffe://example.org/acme/web')
    expect(JSON.stringify({ web })).toBe('{"web":"spiffe://example.org/acme/web"}')
  })

  test('is one short line in util.inspect, at any depth', () => {
    expect(inspect(web)).toBe('SpiffeId(spiffe://example.org/acme/web)')
    expect(inspect({ a: [web] }, { compact: true })).toBe(
      '{ a: [ SpiffeId(spiffe://example.org/acme/web) ] }',
    )
  })

  test('equals what has the same text, and nothing else', () => {
    expect(web.equals(SpiffeId.of('example.org', 'acme', 'web'))).toBe(true)
    expect(web.equals(SpiffeId.of('example.org', 'acme', 'web2'))).toBe(false)
    expect(web.equals(SpiffeId.of('example.com', 'acme', 'web'))).toBe(false)
    expect(web.equals(web.trustDomain.id)).toBe(false)
  })

  test('cannot be changed', () => {
    const text = 'spiffe://evil.example/root'
    expect(Object.isFrozen(web)).toBe(true)
    expect(Object.isFrozen(web.segments)).toBe(true)
    expect(Object.isFrozen(web.trustDomain)).toBe(true)
    expect(Reflect.set(web, 'path', '/root')).toBe(false)
    expect(Reflect.set(web, 'toString', () => text)).toBe(false)
    expect(Reflect.set(web.segments, 0, 'evil')).toBe(false)
    expect(Reflect.set(web.trustDomain, 'name', 'evil.example')).toBe(false)
    expect(web.toString()).toBe('spiffe://example.org/acme/web')
    expect(web.segments).toEqual(['acme', 'web'])
  })

  test('has only properties that types call readonly', () => {
    expect(assignments).toBeInstanceOf(Function)
    expect(comparisons).toHaveLength(5)
  })

  test('is built from a trust domain and segments', () => {
    expect(SpiffeId.of('example.org').toString()).toBe('spiffe://example.org')
    expect(SpiffeId.of(web.trustDomain, 'a', 'B').toString()).toBe('spiffe://example.org/a/B')
    expect(SpiffeId.of(web.trustDomain, 'a').trustDomain).toBe(web.trustDomain)
    expect(SpiffeId.of('spiffe://example.org/acme', 'a').toString()).toBe('spiffe://example.org/a')
  })

  test('is not built from a bad trust domain, nor from a value that is no string', () => {
    expect(errorOf(() => SpiffeId.of('Example.org', 'a')).code).toBe('invalid-trust-domain')
    for (const value of [undefined, null, 5, {}, ['a']]) {
      // @ts-expect-error what only a caller without types can do
      expect(errorOf(() => SpiffeId.of('example.org', value)).code).toBe('invalid-spiffe-id')
    }
  })
})

describe('a SPIFFE ID and a string', () => {
  const web = SpiffeId.parse('spiffe://example.org/acme/web')

  test('are equal when the string is the same, byte for byte', () => {
    expect(web.equals('spiffe://example.org/acme/web')).toBe(true)
    expect(web.equals('spiffe://example.org/acme/web2')).toBe(false)
    expect(web.equals('spiffe://example.org')).toBe(false)
    expect(web.toString() === 'spiffe://example.org/acme/web').toBe(true)
  })

  test.each([
    'spiffe://Example.org/acme/web',
    'SPIFFE://example.org/acme/web',
    'spiffe://example.org/acme/web/',
    ' spiffe://example.org/acme/web',
    'example.org/acme/web',
    '',
    undefined,
    null,
    5,
    ['spiffe://example.org/acme/web'],
    { toString: () => 'spiffe://example.org/acme/web' },
  ])('are an error to compare when it is no SPIFFE ID: %p', (value) => {
    expect(errorOf(() => web.equals(value as string)).code).toBe('invalid-spiffe-id')
  })

  test('of another copy of this package compares by its text', () => {
    const text = 'spiffe://example.org/acme/web'
    const foreign = { trustDomain: {}, toJSON: () => text } as unknown as SpiffeId
    expect(web.equals(foreign)).toBe(true)
  })
})

describe('a trust domain', () => {
  const domain = TrustDomain.parse('example.org')

  test('is its name, in JSON and util.inspect too', () => {
    expect(domain.name).toBe('example.org')
    expect(String(domain)).toBe('example.org')
    expect(JSON.stringify({ domain })).toBe('{"domain":"example.org"}')
    expect(inspect(domain)).toBe('TrustDomain(example.org)')
  })

  test('has a SPIFFE ID without a path, always the same', () => {
    expect(domain.id.toString()).toBe('spiffe://example.org')
    expect(domain.id.trustDomain).toBe(domain)
    expect(domain.id).toBe(domain.id)
  })

  test('equals one of the same name, and no other', () => {
    expect(domain.equals(TrustDomain.parse('spiffe://example.org/web'))).toBe(true)
    expect(domain.equals(TrustDomain.parse('example.com'))).toBe(false)
  })
})

describe('safeParse', () => {
  test('gives the value', () => {
    const id = SpiffeId.safeParse('spiffe://example.org/web')
    expect(id.ok && id.value.path).toBe('/web')
    const domain = TrustDomain.safeParse('example.org')
    expect(domain.ok && domain.value.name).toBe('example.org')
  })

  test.each([
    undefined,
    null,
    5,
    5n,
    true,
    Symbol('a'),
    {},
    [],
    ['spiffe://example.org'],
    () => '',
  ])('takes a value of any type without throwing: %p', (value) => {
    expect(SpiffeId.safeParse(value)).toMatchObject({
      ok: false,
      error: { name: 'SpiffeError', code: 'invalid-spiffe-id' },
    })
    expect(TrustDomain.safeParse(value)).toMatchObject({
      ok: false,
      error: { name: 'SpiffeError', code: 'invalid-trust-domain' },
    })
  })

  test('does not trust an object that only looks like a SPIFFE ID', () => {
    const fake = { toString: () => 'spiffe://example.org/web', length: 24, startsWith: () => true }
    expect(SpiffeId.safeParse(fake).ok).toBe(false)
  })

  test('spends nothing on stack traces, and leaves them to others', () => {
    const parsed = SpiffeId.safeParse('')
    expect(!parsed.ok && parsed.error.stack).not.toContain('\n')
    expect(errorOf(() => SpiffeId.parse('')).stack).toContain('spiffe-id.test')
  })
})

describe('a message', () => {
  test('names a value that begins as a SPIFFE ID, without what may be a secret, and no other', () => {
    expect(errorOf(() => SpiffeId.parse('spiffe://example.org/a b')).message).toContain(
      '"spiffe://example.org/a b"',
    )
    expect(errorOf(() => SpiffeId.parse('Spiffe://u:pass/word@h/a?b#c')).message).toContain(
      '"Spiffe://...@h/a..."',
    )
    expect(errorOf(() => TrustDomain.parse('Example.org')).message).not.toContain('xample')
    expect(errorOf(() => SpiffeId.of('example.org', 'a b')).message).not.toContain('a b')
  })

  test.each([
    'spiffe://example.org/\u001b[2J\r\nroot: let in',
    'spiffe://example.org/\u202e\u2028\u009b\u007f',
    'spiffe://example.org/\u{1f600}\ud800',
    `spiffe://${'x\n'.repeat(1_000_000)}`,
    '"\\'.repeat(1000),
  ])('is one short line of printable ASCII whatever the value: case %#', (text) => {
    for (const parse of [() => SpiffeId.parse(text), () => TrustDomain.parse(text)]) {
      const { message } = errorOf(parse)
      expect(message.replace('…', '...')).toMatch(/^[\x20-\x7e]+$/)
      expect(message.length).toBeLessThan(1000)
    }
  })
})
