import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from './errors.ts'
import { OptionReader } from './option-reader.ts'

const reader: OptionReader = new OptionReader(SpiffeError)

function refusal(read: () => unknown): SpiffeError {
  try {
    read()
  } catch (error) {
    if (error instanceof SpiffeError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const clock = (): number => 0
const range = { min: 1, max: 5 }

test('an option that is left out takes its default', () => {
  expect(reader.asBoolean('flag', undefined, true)).toBe(true)
  expect(reader.asFunction('clock', undefined, Date.now)).toBe(Date.now)
  expect(reader.asInteger('max', undefined, { ...range, defaultValue: 3 })).toBe(3)
  expect(reader.asDuration('waitMs', undefined, { ...range, defaultValue: 3 })).toBe(3)
  expect(reader.asOneOf('mode', undefined, ['a', 'b'], 'b')).toBe('b')
})

test('a valid option is returned as it is', () => {
  expect(reader.asBoolean('flag', false, true)).toBe(false)
  expect(reader.asFunction('clock', clock, Date.now)).toBe(clock)
  for (const value of [1, 5]) expect(reader.asInteger('max', value, range)).toBe(value)
  expect(reader.asDuration('waitMs', 1.5, range)).toBe(1.5)
  expect(reader.asPath('file', 'a/b', 'must be a path')).toBe('a/b')
  expect(reader.asOneOf('mode', 'a', ['a', 'b'])).toBe('a')
})

test.each<[string, (options: OptionReader, value: never) => unknown, readonly unknown[]]>([
  ['boolean', (options, value) => options.asBoolean('name', value, true), [null, 0, 'true']],
  ['function', (options, value) => options.asFunction('name', value, Date.now), [null, {}, 'f']],
  [
    'integer',
    (options, value) => options.asInteger('name', value, range),
    [0, 6, 1.5, NaN, '3', undefined],
  ],
  [
    'duration',
    (options, value) => options.asDuration('name', value, range),
    [0, 6, NaN, Infinity, '3'],
  ],
  [
    'path',
    (options, value) => options.asPath('name', value, 'must be a path'),
    ['', 'a\0b', 5, null],
  ],
  ['list', (options, value) => options.asOneOf('name', value, ['a', 'b']), ['c', null, undefined]],
])('a value that is no %s is refused, with the name of the option', (_, read, values) => {
  for (const value of values) {
    const error = refusal(() => Reflect.apply(read, undefined, [reader, value]))
    expect(error.code).toBe('invalid-option')
    expect(error.message).toMatch(/^name must be /)
  }
})

test('a refusal has the type of what was found, and not its text', () => {
  const { message } = refusal(() => reader.refuse('secret', 's3cr3t', 'must be a buffer'))
  expect(message).toBe('secret must be a buffer (found: a string)')
})

describe('assertKnown', () => {
  test('takes options that exist', () => {
    expect(() => reader.assertKnown('peer', { clock: 1 }, ['clock', 'other'])).not.toThrow()
  })

  test('refuses one that does not, and lists those that do', () => {
    const error = refusal(() => reader.assertKnown('peer', { clok: 1 }, ['clock', 'other']))
    expect(error.code).toBe('unknown-option')
    expect(error.message).toBe('peer has no option "clok"; it has clock, other')
  })

  test('does not quote a name that is hardly one', () => {
    const secret = '-----BEGIN PRIVATE KEY-----'
    const { message } = refusal(() => reader.assertKnown('peer', { [secret]: 1 }, ['clock']))
    expect(message).not.toContain('BEGIN')
  })
})
