import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { atOnce } from '../steps.ts'
import { isJsonObject } from './json-object.ts'
import { parseJson } from './parse-json.ts'
import { rawMembers } from './raw-members.ts'
import { readMembers, type MemberBounds } from './read-members.ts'

const BOUNDS: MemberBounds = { maxDepth: 8, maxPieces: 100, maxPieceLength: 1000 }

/** The object in a text as it is read in steps; `null` for what is refused. */
function inSteps(text: string, bounds = BOUNDS): unknown {
  try {
    const members = atOnce(readMembers(text, bounds))
    return Object.fromEntries(Array.from(members, ([key, { value }]) => [key, value]))
  } catch (error) {
    if (!(error instanceof SpiffeError)) throw error
    if (error.code !== 'invalid-json') throw error
    return null
  }
}

/** The same, read as a whole. */
function whole(text: string): unknown {
  try {
    const value = parseJson(text, { maxDepth: 8 })
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

const GOOD: readonly string[] = [
  '{}',
  ' { } ',
  '{"a":[]}',
  '{"a":[ ]}',
  '{"a":[1]}',
  '{"a":[[]]}',
  '{"a":[[],[1,2],{"b":[3]}], "c" : -1.5e3 ,"d":"],}{[\\"","e":{"f":[{}]}}',
  '\n{"keys":[{"kty":"EC","x5c":["a","b"]},{"n":"\\u00e9"}],\r\n\t"spiffe_sequence":12345678901234567890}',
  '{"é":"é","\\u00e8":null,"x":true,"y":false}',
]

const BAD: readonly string[] = [
  '',
  ' ',
  'null',
  '5',
  '"a"',
  '[]',
  '[{}]',
  '{',
  '}',
  '{}{}',
  '{}}',
  '{},',
  ',{}',
  '{]',
  '[}',
  '{,}',
  '{"a":1,}',
  '{,"a":1}',
  '{"a":1,,"b":2}',
  '{"a":[,]}',
  '{"a":[1,]}',
  '{"a":[,1]}',
  '{"a":[1,,2]}',
  '{"a":[1}]',
  '{"a":[1}',
  '{"a":[{]}}',
  '{"a":{[}]}',
  '{"a":[1]2}',
  '{"a":2[1]}',
  '{"a":[1][2]}',
  '{"a":[1]:[2]}',
  '{[1]:2}',
  '{"a"[1]}',
  '{"a":[1 2]}',
  '{"a":1 "b":2}',
  '{"a":1:2}',
  '{"a"}',
  '{"a":}',
  '{"a":[\u00a0]}',
  '\u00a0{}',
  '\ufeff{}',
  '{}\u2028',
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"a":[{"b":1,"b":2}]}',
  '{"__proto__":1}',
  '{"a":[{"__proto__":1}]}',
  '{"a":1e400}',
  '{"a":[[[[[[[[[]]]]]]]]]}',
]

describe('an object is read in steps as it is read as a whole', () => {
  test.each(GOOD)('%j', (text) => {
    expect(inSteps(text)).toEqual(whole(text))
    expect(inSteps(text)).not.toBeNull()
  })

  test.each(BAD)('and refused with it: %j', (text) => {
    expect(whole(text)).toBeNull()
    expect(inSteps(text)).toBeNull()
  })

  test('with any character in the place of another, left out, or doubled', () => {
    const characters = '{}[],:"\\ 0-e.a\u00a0'
    const others: string[] = []
    let read = 0
    for (const text of GOOD) {
      for (let index = 0; index < text.length; index++) {
        const [before, after] = [text.slice(0, index), text.slice(index + 1)]
        const changed = Array.from(characters, (character) => [
          before + character + after,
          before + character + text.slice(index),
        ])
        for (const each of [before + after, ...changed.flat()]) {
          const expected = whole(each)
          if (expected !== null) read++
          if (!isDeepStrictEqual(inSteps(each), expected)) others.push(each)
        }
      }
    }
    expect(others).toEqual([])
    expect(read).toBeGreaterThan(1000)
  })
})

test('the digits of a number are in the text of its member', () => {
  const members = atOnce(readMembers('{"a":[1,2], "n" : 12345678901234567890 }', BOUNDS))
  expect(rawMembers(members.get('n')?.text ?? '').get('n')).toBe('12345678901234567890')
  expect(members.get('a')?.text).toBe('{"a":[]}')
})

const list = (count: number): string => `{"a":[${Array.from({ length: count }, () => '1').join()}]}`

describe('bounds:', () => {
  test('members and items are counted together', () => {
    expect(inSteps(list(99))).not.toBeNull()
    expect(inSteps(list(100))).toBeNull()
  })

  test.each([
    ['an item', (text: string) => `{"a":["${text}"]}`],
    ['a member', (text: string) => `{"a":"${text}"}`],
    ['a key', (text: string) => `{"${text}":1}`],
    ['escapes', (text: string) => `{"a":"${'\\\\'.repeat(text.length / 2)}"}`],
    [
      'digits',
      (text: string) => `{"a":${'1'.repeat(text.length / 10)}.${'1'.repeat(text.length)}}`,
    ],
    ['blanks', (text: string) => `{"a":1${' '.repeat(text.length)}}`],
    ['an unfinished string', (text: string) => `{"a":"${text}`],
  ])('%s may not be longer than the bound', (_what, make) => {
    expect(inSteps(make('x'.repeat(2000)))).toBeNull()
  })

  test('long numbers within the bound are read to their end', () => {
    const digits = `0.${'1'.repeat(1500)}`
    const bounds = { ...BOUNDS, maxPieceLength: 2000 }
    expect(inSteps(`{"a":${digits},"b":"${'x'.repeat(1900)}"}`, bounds)).toMatchObject({ a: 1 / 9 })
  })

  test('a step reads a bounded part of the text', () => {
    const item = '{"b":"0123456789"}'
    const bounds = { ...BOUNDS, maxPieces: 100_000 }
    const text = `{"a":[${Array.from({ length: 20_000 }, () => item).join()}]}`
    const steps = [...readMembers(text, bounds)].length
    // A step for each 32 Ki, and for each item and each member.
    expect(steps).toBe(Math.floor(text.length / (32 * 1024)) + 20_001)
  })
})
