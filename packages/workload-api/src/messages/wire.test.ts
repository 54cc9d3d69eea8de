import { describe, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import { LIMITS } from './limits.ts'
import { checkFieldCount } from './wire.ts'

function verdict(...bytes: number[]): string {
  try {
    checkFieldCount(Uint8Array.from(bytes))
    return 'good'
  } catch (error) {
    if (error instanceof WorkloadApiError) return error.code
    throw error
  }
}

const fields = (count: number): number[] => Array.from({ length: count }, () => [0x0a, 0x00]).flat()

describe('the fields of a message', () => {
  test.each([
    ['none', []],
    ['a number', [0x08, 0x96, 0x01]],
    ['eight bytes', [0x09, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['text', [0x0a, 2, 0x61, 0x62]],
    ['four bytes', [0x0d, 1, 2, 3, 4]],
    ['one with a large number', [0xfa, 0xff, 0xff, 0xff, 0x0f, 0]],
    ['several', [0x0a, 0, 0x0a, 1, 0xff, 0x10, 0]],
  ])('may be %s', (_what, bytes) => {
    expect(verdict(...bytes)).toBe('good')
  })

  test.each([
    ['a tag that does not end', [0xff]],
    ['a number that does not end', [0x08, ...Array<number>(11).fill(0xff)]],
    ['a tag alone', [0x08]],
    ['a length beyond the end', [0x0a, 3, 1, 2]],
    ['a length beyond all bounds', [0x0a, ...Array<number>(9).fill(0xff), 0x7f]],
    ['four bytes cut short', [0x0d, 1, 2, 3]],
    ['eight bytes cut short', [0x09, 1]],
    ['a group', [0x0b, 0x0c]],
    ['a wire type that does not exist', [0x0f]],
  ])('may not be %s', (_what, bytes) => {
    expect(verdict(...bytes)).toBe('invalid-message')
  })

  test('are bounded in number', () => {
    expect(verdict(...fields(LIMITS.fields))).toBe('good')
    expect(verdict(...fields(LIMITS.fields + 1))).toBe('limit-exceeded')
  })
})
