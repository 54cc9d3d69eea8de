import { describe, expect, test } from '@jest/globals'
import { TAG } from './tags.ts'
import { tlv, refusesDer } from './der.test.support.ts'
import { DerReader } from './reader.ts'
import { readTime } from './time.ts'

const utc = (text: string): number => readTime(DerReader.of(tlv(TAG.utcTime, text)))
const generalized = (text: string): number => readTime(DerReader.of(tlv(TAG.generalizedTime, text)))

describe('UTCTime', () => {
  test.each([
    ['500101000000Z', '1950-01-01T00:00:00Z'],
    ['700101000000Z', '1970-01-01T00:00:00Z'],
    ['000229235959Z', '2000-02-29T23:59:59Z'],
    ['261126101112Z', '2026-11-26T10:11:12Z'],
    ['491231235959Z', '2049-12-31T23:59:59Z'],
  ])('%s is %s', (text, iso) => {
    expect(utc(text)).toBe(Date.parse(iso))
  })

  test.each([
    ['without seconds', '2611261011Z'],
    ['with an offset', '261126101112+0000'],
    ['with a fraction', '261126101112.5Z'],
    ['without a zone', '261126101112'],
    ['with a small z', '261126101112z'],
    ['with a letter', '26112610111xZ'],
    ['with a sign', '26112610111-Z'],
    ['with a blank', ' 61126101112Z'],
    ['in month 0', '260026101112Z'],
    ['in month 13', '261326101112Z'],
    ['on day 0', '261100101112Z'],
    ['on 31 November', '261131101112Z'],
    ['on 29 February of a common year', '260229101112Z'],
    ['at hour 24', '261126241112Z'],
    ['at minute 60', '261126106012Z'],
    ['at second 60', '261126101160Z'],
    ['of four digits for the year', '20261126101112Z'],
    ['that is empty', ''],
  ])('%s is refused', (_, text) => {
    refusesDer(() => utc(text))
  })
})

describe('GeneralizedTime', () => {
  test.each([
    ['00000101000000Z', '0000-01-01T00:00:00Z'],
    ['00000229000000Z', '0000-02-29T00:00:00Z'],
    ['00491231235959Z', '0049-12-31T23:59:59Z'],
    ['00991231235959Z', '0099-12-31T23:59:59Z'],
    ['01000101000000Z', '0100-01-01T00:00:00Z'],
    ['19491231235959Z', '1949-12-31T23:59:59Z'],
    ['20240229101112Z', '2024-02-29T10:11:12Z'],
    ['20491231235959Z', '2049-12-31T23:59:59Z'],
    ['20500101000000Z', '2050-01-01T00:00:00Z'],
    ['24000229120000Z', '2400-02-29T12:00:00Z'],
    ['99991231235959Z', '9999-12-31T23:59:59Z'],
  ])('%s is %s', (text, iso) => {
    expect(generalized(text)).toBe(Date.parse(iso))
  })

  test.each([
    ['without seconds', '205001010000Z'],
    ['without seconds, before 2050', '202601010000Z'],
    ['with a fraction', '20500101000000.1Z'],
    ['with a fraction, before 2050', '20260101000000.1Z'],
    ['with a fraction of zero', '20260101000000.0Z'],
    ['with an offset', '20500101000000+0100'],
    ['with an offset of zero', '20260101000000+0000'],
    ['without a zone', '20500101000000'],
    ['with a small z', '20260101000000z'],
    ['with a sign', '-0260101000000Z'],
    ['of five digits for the year', '020260101000000Z'],
    ['at second 60', '20260630235960Z'],
    ['on 29 February 2025', '20250229000000Z'],
    ['on 29 February 1900', '19000229000000Z'],
    ['on 29 February 2100', '21000229000000Z'],
    ['of two digits for the year', '500101000000Z'],
  ])('%s is refused', (_, text) => {
    refusesDer(() => generalized(text))
  })
})

test('a time of another type is refused', () => {
  refusesDer(() => readTime(DerReader.of(tlv(TAG.ia5String, '261126101112Z'))))
})
