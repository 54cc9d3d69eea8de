import { describe, expect, test } from '@jest/globals'
import type { DecisionKey } from '../cache/decision-list.ts'
import { deny } from '../decision/decision.ts'
import { attributesView } from '../attributes/attributes.ts'
import { where } from '../attributes/condition.ts'
import { decisionKey, type KeyParts } from './decision-key.ts'
import type { AttributeSource } from '../attributes/sources.ts'

const read = (): undefined => undefined
const source = (name: string, varies = true): AttributeSource => {
  const refusal = deny('ambiguous-attribute')
  return { name, read, refusal, varies, provider: null }
}
const PAIR = [source('headers.a'), source('headers.b')]

/** The key of a decision of requirement 1 that reads two headers. */
const keyOf = (
  values: readonly (string | undefined)[],
  more: Partial<KeyParts> = {},
): DecisionKey =>
  decisionKey({ index: 1, policyVersion: null, sources: PAIR, varies: true, ...more }, values)

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
    expect(keyOf(one)).not.toBe(keyOf(other))
  })

  test('tells apart requirements, and the versions of policies', () => {
    const keys = [1, 11, 2].flatMap((index) =>
      [null, () => 'a', () => '1', () => 'a3:x'].map((policyVersion) =>
        keyOf(['x', 'y'], { index, policyVersion }),
      ),
    )
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('is a reversible code of its parts, over all short values of a nasty alphabet', () => {
    const letters = ['', '-', ':', '1', '|', '\0']
    const values = [undefined, ...letters.flatMap((a) => letters.map((b) => a + b))]
    const distinct = [...new Set(values)]
    const keys = distinct.flatMap((a) => distinct.map((b) => keyOf([a, b])))
    expect(new Set(keys).size).toBe(distinct.length ** 2)
  })

  test('leaves out what follows from the identity', () => {
    const sources = [source('tenant', false), source('method')]
    expect(keyOf(['acme', 'GET'], { sources })).toBe(keyOf(['globex', 'GET'], { sources }))
    expect(keyOf(['acme', 'GET'], { sources })).not.toBe(keyOf(['acme', 'PUT'], { sources }))
  })

  test('is the number of the step where nothing varies, which no text is', () => {
    const sources = [source('tenant', false)]
    expect(keyOf(['acme'], { sources, varies: false })).toBe(1)
    expect(String(keyOf(['acme'], { sources }))).not.toBe('1')
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
