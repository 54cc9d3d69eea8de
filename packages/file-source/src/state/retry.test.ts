import { expect, test } from '@jest/globals'
import { FileSourceError, type FileSourceErrorCode } from '../errors.ts'
import { Retry } from './retry.ts'

function refused(code: FileSourceErrorCode): FileSourceError {
  return new FileSourceError(code, 'refused')
}

test('two reads in a row may find files that are being written, and the third is a problem', () => {
  const retry = new Retry()
  const seen = [1, 2, 3].map(() => {
    const isPassing = retry.isPassing(refused('key-mismatch'))
    retry.next()
    return isPassing
  })
  expect(seen).toEqual([true, true, false])
  retry.reset()
  expect(retry.isPassing(refused('unreadable'))).toBe(true)
})

test.each(['key-exposed', 'world-writable', 'foreign-owner', 'link-leaves-folder'] as const)(
  '%s is a problem at once',
  (code) => {
    expect(new Retry().isPassing(refused(code))).toBe(false)
  },
)

test('refused files are read again after 100 ms, then half as often each time, up to every 10 s', () => {
  const retry = new Retry()
  expect(Array.from({ length: 9 }, () => retry.next())).toEqual([
    100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000,
  ])
})

test('an SVID that is not valid yet is looked at when its time comes, and every 10 s until then', () => {
  expect([Retry.until(1_500.5, 1_000), Retry.until(60_000, 0), Retry.until(0, 5)]).toEqual([
    501, 10_000, 1,
  ])
})
