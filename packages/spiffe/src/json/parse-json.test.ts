import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { parseJson } from './parse-json.ts'

function errorOf(read: () => unknown): SpiffeError {
  try {
    read()
  } catch (error) {
    if (error instanceof SpiffeError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

describe('JSON that carries a decision', () => {
  test.each([
    '{}',
    '[]',
    ' {"a":1,"b":[{"a":2},{"a":3}],"c":{"a":{"a":{}}}} ',
    '{"a":"{\\"b\\":1,\\"b\\":2}","b":"\\\\","c":"\\\\\\"","d":"\\u0061"}',
    '["a","a",{"a":"a,\\"a\\":1"},[],"",{"":""}]',
    '{"true":true,"false":false,"null":null,"1e5":1e5,"-0":-0.5E-3}',
    '"text"',
    '17',
    '1.7976931348623157e308',
  ])('%s is read as JSON.parse reads it', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })

  test.each([
    '{"deny":1,"deny":2}',
    '{"deny":1,"x":[{"deny":1}],"deny":1}',
    String.raw`{"deny":1,"\u0064eny":2}`,
    String.raw`{"a\/b":1,"a/b":2}`,
    '{"":1,"":2}',
    '[{"a":{"b":{},"b":{}}}]',
    '{"a":1 , "b" : 2 ,\n"a" : 3}',
    `{${Array.from({ length: 100 }, (_, at) => `"k${at}":${at}`).join(',')},"k7":0}`,
  ])('a key that occurs twice is refused: %s', (text) => {
    expect(JSON.parse(text)).toBeDefined()
    expect(errorOf(() => parseJson(text)).message).toContain('occurs twice')
  })

  test('the name of a key is left out of the error where that is wanted', () => {
    const text = '{"TopSecret":1,"TopSecret":2}'
    const error = errorOf(() => parseJson(text, { hidesKeys: true }))
    expect(error.message).toContain('line 1, column 16')
    expect(error.message).not.toContain('TopSecret')
  })

  test.each(['{"__proto__":{"a":1}}', String.raw`[{"\u005f_proto__":1}]`])(
    'the key of the prototype is refused: %s',
    (text) => {
      expect(errorOf(() => parseJson(text)).code).toBe('invalid-json')
    },
  )

  test.each(['1e400', '-1e400', '{"exp":1e309}', `[1${'0'.repeat(400)}]`, '{"a":[0,-9.9E999]}'])(
    'a number beyond those of JavaScript is refused: %s',
    (text) => {
      expect(JSON.parse(text)).toBeDefined()
      expect(errorOf(() => parseJson(text)).message).toContain('too large')
    },
  )

  test('has a bounded length and depth', () => {
    expect(parseJson(nested(500))).toBeInstanceOf(Array)
    expect(errorOf(() => parseJson(nested(501))).code).toBe('invalid-json')
    expect(parseJson('{"a":{"b":1}}', { maxDepth: 2 })).toEqual({ a: { b: 1 } })
    expect(errorOf(() => parseJson('{"a":{"b":[]}}', { maxDepth: 2 })).code).toBe('invalid-json')
    expect(errorOf(() => parseJson('"abcd"', { maxLength: 5 })).code).toBe('invalid-json')
  })

  test.each([
    ['', 1, 1],
    ['{"a":1,}', 1, 8],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3],
    ['{"a":TopSecret}', 1, 6],
    ['{"a":"\n"}', 1, 6],
    ['{"a":01}', 1, 7],
    ['[1,2', 1, 5],
    ['[1]]', 1, 4],
    ["{'a':1}", 1, 2],
    ['{"a" "b"}', 1, 6],
    ['{1:2}', 1, 2],
    ['[}', 1, 2],
    ['nul', 1, 1],
    ['\ufeff{}', 1, 1],
  ])('what is no JSON is refused with its place and none of its text: %j', (text, line, column) => {
    const { code, message } = errorOf(() => parseJson(text))
    expect(code).toBe('invalid-json')
    expect(message).toBe(`line ${line}, column ${column}: this is not JSON`)
  })

  test.each([undefined, null, 5, {}, ['{}']])('%p is not read at all', (value) => {
    // @ts-expect-error what only a caller without types can do
    expect(errorOf(() => parseJson(value)).code).toBe('invalid-json')
  })
})
