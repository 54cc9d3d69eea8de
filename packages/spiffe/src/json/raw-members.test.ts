import { describe, expect, test } from '@jest/globals'
import { rawMembers } from './raw-members.ts'

describe('the members of a JSON object as its text has them', () => {
  test.each([
    ['{}', {}],
    [' {\n} ', {}],
    ['{"a":9007199254740993}', { a: '9007199254740993' }],
    ['{"a" : 1.0 ,\t"b": -5e3\n}', { a: '1.0', b: '-5e3' }],
    ['{"a":"}","b":"\\"","c":"\\\\"}', { a: '"}"', b: String.raw`"\""`, c: String.raw`"\\"` }],
    ['{"a":{"b":[{"c":"]}"}, 1]},"d":[]}', { a: '{"b":[{"c":"]}"}, 1]}', d: '[]' }],
    ['{"a:,":true,"b":null}', { 'a:,': 'true', b: 'null' }],
    ['{"a":[1,{"b":2}] ,"c":{ } }', { a: '[1,{"b":2}]', c: '{ }' }],
    ['{"\\u0061":1}', { a: '1' }],
    ['{"10":1,"2":2}', { 10: '1', 2: '2' }],
  ])('%s', (text, expected) => {
    expect(Object.fromEntries(rawMembers(text))).toEqual(expected)
  })

  test('a text that is no object ends the search', () => {
    for (const text of ['', '[', '{"a', '{"a":', '{"a":[', '{"a":"x', '{,', '[1,2]', '5']) {
      try {
        rawMembers(text)
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
      }
    }
  })
})
