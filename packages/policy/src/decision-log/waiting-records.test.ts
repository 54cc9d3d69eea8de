import { describe, expect, test } from '@jest/globals'
import { WaitingRecords } from './waiting-records.ts'

interface Numbered {
  readonly trustDomain: string | null
  readonly tenant: string | null
  readonly number: number
}

function scene(max: number) {
  const records = new WaitingRecords<Numbered>(max)
  let number = 0
  /** Returns how many were dropped. */
  const add = (trustDomain: string | null, tenant: string | null, times = 1): number => {
    let dropped = 0
    for (let round = 0; round < times; round++) {
      if (records.add({ trustDomain, tenant, number: number++ })) dropped++
    }
    return dropped
  }
  return { records, add }
}

const countOf = (records: readonly Numbered[], tenant: string | null): number =>
  records.filter((record) => record.tenant === tenant).length

describe('records that wait', () => {
  test('are taken in the order in which they came', () => {
    const { records, add } = scene(10)
    add('example.org', 'acme', 2)
    add('partner.test', 'acme')
    add('example.org', 'globex', 2)
    const first = records.take(2).map(({ number }) => number)
    expect([first, records.take(Infinity).map(({ number }) => number)]).toEqual([
      [0, 1],
      [2, 3, 4],
    ])
    expect(records.size).toBe(0)
  })

  test('of one tenant alone fill the room, and what comes later is dropped', () => {
    const { records, add } = scene(3)
    expect(add('example.org', 'acme', 5)).toBe(2)
    expect(records.take(Infinity).map(({ number }) => number)).toEqual([0, 1, 2])
  })

  test('of a tenant that has most of them give way to those of others', () => {
    const { records, add } = scene(100)
    add('example.org', 'noisy', 1000)
    expect(add('example.org', 'quiet', 10)).toBe(10)
    add('example.org', 'noisy', 1000)
    const left = records.take(Infinity)
    expect([countOf(left, 'quiet'), countOf(left, 'noisy')]).toEqual([10, 90])
  })

  test('of ever new names of a trust domain give way to those of another', () => {
    const { records, add } = scene(100)
    add('example.org', 'acme', 30)
    for (let name = 0; name < 1000; name++) add('partner.test', `name-${name}`)
    add('example.org', 'acme', 20)
    for (let name = 0; name < 1000; name++) add('partner.test', `other-${name}`)
    const left = records.take(Infinity)
    expect([countOf(left, 'acme'), left.length]).toEqual([50, 100])
  })

  test('of callers without identity are held to a share as well', () => {
    const { records, add } = scene(10)
    add(null, null, 100)
    add('example.org', 'acme', 5)
    add(null, null, 100)
    const left = records.take(Infinity)
    expect([countOf(left, 'acme'), countOf(left, null)]).toEqual([5, 5])
  })

  test('are counted anew once they were taken', () => {
    const { records, add } = scene(4)
    add('example.org', 'noisy', 4)
    records.take(4)
    add('example.org', 'quiet', 3)
    add('example.org', 'noisy', 3)
    const left = records.take(Infinity)
    expect([countOf(left, 'quiet'), countOf(left, 'noisy')]).toEqual([2, 2])
  })
})
