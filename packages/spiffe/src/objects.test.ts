import { describe, expect, test } from '@jest/globals'
import { hasMethods, isObject } from './internal.ts'

describe('isObject', () => {
  test.each([{}, [], new Map(), Object.create(null)])('%p is an object', (value) => {
    expect(isObject(value)).toBe(true)
  })

  test.each([undefined, null, 0, 'text', true, () => undefined])('%p is no object', (value) => {
    expect(isObject(value)).toBe(false)
  })
})

describe('hasMethods', () => {
  test('accepts own and inherited methods, also those of a list', () => {
    expect(hasMethods({ read: () => 0, write: () => 0 }, ['read', 'write'])).toBe(true)
    expect(hasMethods(new Map(), ['get', 'set'])).toBe(true)
    expect(hasMethods([], ['push'])).toBe(true)
  })

  test.each([
    ['an object that lacks one', { read: () => 0 }],
    ['an object with something else of that name', { read: () => 0, write: 'text' }],
    ['a function', Object.assign(() => 0, { read: () => 0, write: () => 0 })],
    ['null', null],
    ['undefined', undefined],
  ])('refuses %s', (_, value) => {
    expect(hasMethods(value, ['read', 'write'])).toBe(false)
  })
})
