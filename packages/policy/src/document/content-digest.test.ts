import { matchMemberOf, SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import { contentDigest } from './content-digest.ts'

const RULE = { allow: ['spiffe://example.org/acme/web'], claims: { a: '1', b: null } }

const nested = (depth: number): unknown =>
  JSON.parse(`${'{"not":'.repeat(depth)}1${'}'.repeat(depth)}`)

describe('the digest of a policy document', () => {
  test('is the same for the same content in another order of keys', () => {
    const one = { version: 'v1', routes: { 'GET /a': RULE, 'GET /b': RULE } }
    const other = {
      routes: { 'GET /b': { claims: { b: null, a: '1' }, allow: RULE.allow }, 'GET /a': RULE },
      version: 'v1',
    }
    expect(contentDigest(one)).toBe(contentDigest(other))
    expect(contentDigest(JSON.parse(JSON.stringify(one)))).toBe(contentDigest(one))
  })

  test('is the same with and without a key that is undefined', () => {
    expect(contentDigest({ a: 1, b: undefined })).toBe(contentDigest({ a: 1 }))
  })

  test.each<[string, unknown, unknown]>([
    ['another order of a list', { allow: ['a', 'b'] }, { allow: ['b', 'a'] }],
    ['a number for a text', { a: 1 }, { a: '1' }],
    ['a list for an object', { a: ['b'] }, { a: { 0: 'b' } }],
    ['a text that looks like two', { a: 'b","c' }, { a: ['b', 'c'] }],
    ['a key that looks like a member', { 'a":1,"b': 1 }, { a: 1, b: 1 }],
    ['null for a key that is not there', { a: null }, {}],
    ['another function', { check: () => true }, { check: () => false }],
    ['another matcher', { allow: matchMemberOf('a.org') }, { allow: matchMemberOf('b.org') }],
    ['another ID', SpiffeId.parse('spiffe://a.org/b'), SpiffeId.parse('spiffe://a.org/c')],
  ])('is another one with %s', (_, one, other) => {
    expect(contentDigest(one)).not.toBe(contentDigest(other))
  })

  test('reads a part that stands in two places, and refuses one that holds itself', () => {
    const loop: Record<string, unknown> = {}
    expect(contentDigest([loop, loop])).toBe(contentDigest([{}, {}]))
    loop['loop'] = { loop }
    expect(() => contentDigest(loop)).toThrow(TypeError)
  })

  test('is there for what nests as deep as files may, and for nothing deeper', () => {
    expect(contentDigest(nested(500))).toMatch(/^[0-9a-f]{64}$/)
    expect(() => contentDigest(nested(501))).toThrow(RangeError)
  })
})
