import { invalidDer, type DerReader } from './reader.ts'
import { TAG } from './tags.ts'

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/**
 * The `Time` of a validity, in milliseconds since the epoch.
 *
 * RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` as UTCTime, from 1950 through 2049, or `YYYYMMDDHHMMSSZ` as
 * GeneralizedTime; seconds are there, fractions and offsets are not. Issuers write a GeneralizedTime
 * from 2050 on alone, and readers MUST process both whatever the year.
 */
export function readTime(reader: DerReader): number {
  if (reader.peek() === TAG.utcTime) {
    const digits = digitsOf(reader.content(TAG.utcTime), 12)
    const year = number(digits, 0, 2)
    return instant(year < 50 ? 2000 + year : 1900 + year, digits, 2)
  }
  const digits = digitsOf(reader.content(TAG.generalizedTime), 14)
  return instant(number(digits, 0, 4), digits, 4)
}

/** Asserts that `content` is `count` digits and a `Z`. */
function digitsOf(content: Uint8Array, count: number): Uint8Array {
  const isZulu = content.length === count + 1 && content[count] === 0x5a
  if (!isZulu || content.subarray(0, count).some((octet) => octet < 0x30 || octet > 0x39)) {
    throw invalidDer(`a time is not ${count} digits and a Z`)
  }
  return content
}

function instant(year: number, digits: Uint8Array, offset: number): number {
  const month = number(digits, offset, 2)
  const day = number(digits, offset + 2, 2)
  const hour = number(digits, offset + 4, 2)
  const minute = number(digits, offset + 6, 2)
  const second = number(digits, offset + 8, 2)
  const isDay = day >= 1 && day <= daysIn(year, month)
  if (!isDay || hour > 23 || minute > 59 || second > 59) {
    throw invalidDer('a time is not on the calendar')
  }
  const date = new Date(0)
  // Not by `Date.UTC`, for which the years 0 to 99 are those of the twentieth century.
  date.setUTCFullYear(year, month - 1, day)
  return date.setUTCHours(hour, minute, second)
}

/** 0 for a month that does not exist. */
function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && isLeap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0)
}

function number(digits: Uint8Array, start: number, length: number): number {
  let value = 0
  for (let index = start; index < start + length; index += 1) {
    value = value * 10 + (digits[index]! - 0x30)
  }
  return value
}
