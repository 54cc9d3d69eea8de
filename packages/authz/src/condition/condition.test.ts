import { describe, expect, test } from '@jest/globals'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { deny } from '../decide/decision.ts'
import { attributesView } from './attributes.ts'
import { where } from './condition.ts'
import { decisionKey } from '../step/key.ts'
import type { AttributeSource } from './sources.ts'

const WEB = SpiffeId.parse('spiffe://example.org/acme/web')
const read = (): undefined => undefined
const source = (name: string, varies = true): AttributeSource => {
  const refusal = deny('ambiguous-attribute')
  return varies ? { name, read, refusal, varies } : { name, read, refusal, varies }
}
const PAIR = [source('headers.a'), source('headers.b')]

describe('the key of a decision', () => {
  test.each([
    ['a separator inside a value', ['a', 'b$$c'], ['a$$b', 'c']],
    ['a NUL inside a value', ['a', 'b\0c'], ['a\0b', 'c']],
    ['a value that looks like the next part', ['1', '1:1'], ['11:1', '1']],
    ['values that concatenate alike', ['ab', 'c'], ['a', 'bc']],
    ['an absent and an empty value', [undefined, ''], ['', undefined]],
    ['an absent value and a dash', [undefined, 'x'], ['-', 'x']],
    ['upper and lower case', ['a', 'x'], ['A', 'x']],
  ])('tells apart %s', (_, one, other) => {
    expect(decisionKey({ index: 1, policyVersion: null, sources: PAIR }, WEB, one)).not.toBe(
      decisionKey({ index: 1, policyVersion: null, sources: PAIR }, WEB, other),
    )
  })

  test('tells apart rules, identities, and a rule number from an identity', () => {
    const keys = [1, 11, 2].flatMap((rule) =>
      ['spiffe://example.org/a', 'spiffe://example.org/A', 'spiffe://other.org/a'].map((id) =>
        decisionKey({ index: rule, policyVersion: null, sources: [] }, SpiffeId.parse(id), []),
      ),
    )
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('is a reversible code of its parts, over all short values of a nasty alphabet', () => {
    const letters = ['', '-', ':', '1', '|', '\0']
    const values = [undefined, ...letters.flatMap((a) => letters.map((b) => a + b))]
    const distinct = [...new Set(values)]
    const keys = distinct.flatMap((a) =>
      distinct.map((b) =>
        decisionKey({ index: 1, policyVersion: null, sources: PAIR }, WEB, [a, b]),
      ),
    )
    expect(new Set(keys).size).toBe(distinct.length ** 2)
  })

  test('leaves out what follows from the identity', () => {
    const sources = [source('tenant', false), source('method')]
    const key = decisionKey({ index: 1, policyVersion: null, sources: sources }, WEB, [
      'acme',
      'GET',
    ])
    expect(key).toBe(
      decisionKey({ index: 1, policyVersion: null, sources: sources }, WEB, ['globex', 'GET']),
    )
    expect(key).not.toBe(
      decisionKey({ index: 1, policyVersion: null, sources: sources }, WEB, ['acme', 'PUT']),
    )
  })
})

describe('what a check receives', () => {
  const view = attributesView([source('params.id'), source('ip')], ['7', '127.0.0.1'])

  test('the declared attributes, by name', () => {
    const { 'params.id': id, ip } = view
    expect([id, ip, Object.keys(view)]).toEqual(['7', '127.0.0.1', ['params.id', 'ip']])
  })

  test.each(['tenant', 'params.other', '__proto__', 'constructor', 'toString'])(
    'reading %s, which is not declared, throws',
    (name) => {
      expect(() => Reflect.get(view, name)).toThrow(
        expect.objectContaining({ code: 'undeclared-attribute' }),
      )
      expect(() => name in view).toThrow(expect.objectContaining({ code: 'undeclared-attribute' }))
    },
  )

  test('can be written as JSON', () => {
    expect(JSON.stringify(view)).toBe('{"params.id":"7","ip":"127.0.0.1"}')
  })

  test('is read-only', () => {
    expect(Reflect.set(view, 'ip', '10.0.0.1')).toBe(false)
    expect(Reflect.set(view, 'tenant', 'acme')).toBe(false)
    expect(Reflect.setPrototypeOf(view, {})).toBe(false)
    expect(view.ip).toBe('127.0.0.1')
  })

  test('is typed by what `reads` declares', () => {
    const { check } = where(
      (attributes) => {
        const id: string | undefined = attributes['params.id']
        // @ts-expect-error -- not declared
        return attributes.tenant === undefined && id === attributes.method
      },
      { reads: ['params.id', 'method'] },
    )
    expect(() => check(view, new AbortController())).toThrow(
      expect.objectContaining({ code: 'undeclared-attribute' }),
    )
    // @ts-expect-error -- there is no such attribute
    where(() => true, { reads: ['nonsense'] })
  })
})
