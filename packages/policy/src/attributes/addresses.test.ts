import { describe, expect, test } from '@jest/globals'
import { canonicalAddress, isWithin, parseNetworks } from './addresses.ts'

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
  ['::ffff:a00:1', '10.0.0.1'],
  ['0:0:0:0:0:FFFF:0A00:0001', '10.0.0.1'],
  ['::ffff:0:0', '0.0.0.0'],
  ['FD00::0001', 'fd00::1'],
  ['fd00:0:0:0:0:0:0:1', 'fd00::1'],
  ['::1', '::1'],
  ['::10.0.0.1', '::a00:1'],
  ['010.0.0.1', undefined],
  ['0x0a.0.0.1', undefined],
  ['167772161', undefined],
  ['10.1', undefined],
  ['1.2.3', undefined],
  ['10.0.0.1:80', undefined],
  ['[::1]', undefined],
  ['fe80::1%eth0', undefined],
  ['::ffff:010.0.0.1', undefined],
  ['localhost', undefined],
  ['', undefined],
  [undefined, undefined],
])('the one text of %j is %j', (address, canonical) => {
  expect(canonicalAddress(address)).toBe(canonical)
})

describe('a list of networks', () => {
  test.each([
    ['10.0.0.0/8', '10.1.2.3'],
    ['::ffff:10.0.0.0/104', '10.1.2.3'],
    ['::FFFF:A00:1', '10.0.0.1'],
    ['FD00::/8', 'fd12::1'],
    ['0.0.0.0/0', '1.2.3.4'],
  ])('%s has %s', (network, address) => {
    const list = parseNetworks([network])
    expect(list !== null && isWithin(list, address)).toBe(true)
  })

  test.each([
    '010.0.0.0/8',
    '10.0.0.0/08',
    '10.0.0.0/33',
    '10.0.0/8',
    '::ffff:10.0.0.0/8',
    'fe80::1%eth0',
    '[fd00::]/8',
    'fd00::/129',
    '10.0.0.0/',
    ' 10.0.0.1',
  ])('does not take %s', (network) => {
    expect(parseNetworks([network])).toBeNull()
  })
})
