import { describe, expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { refuses } from '../x509/x509.test.support.ts'
import { authorityNamed, jwtJwk, x509Jwk } from './bundle.test.support.ts'
import { parseBundleMap, stringifyBundleMap } from './bundle-map.ts'

const [one, two] = ['one.org', 'two.org'].map((name) => TrustDomain.parse(name))
const keys = JSON.stringify([x509Jwk(authorityNamed('a')), jwtJwk('1')])
const MAP = `{ "trust_domains": {
  "one.org": { "keys": ${keys}, "spiffe_sequence": 9007199254740993, "spiffe_refresh_hint": 10 },
  "two.org": { "keys": [], "spiffe_sequence": 2 }, "127": { "keys": [] }
}}`

describe('a SPIFFE Bundle Map', () => {
  test('rule 45: has a bundle for each trust domain, whose refresh hint means nothing', () => {
    const bundles = parseBundleMap(Buffer.from(MAP))
    expect(bundles.size).toBe(3)
    expect(bundles.get(one!)?.sequence).toBe(9007199254740993n)
    expect(bundles.get(one!)?.refreshHintMs).toBeNull()
    expect(bundles.get(one!)?.jwt.find('1')).toBeDefined()
    expect(bundles.get(two!)?.sequence).toBe(2n)
    expect(bundles.get(two!)?.x509.authorities).toEqual([])
  })

  test('is written as it can be read again', () => {
    const bundles = parseBundleMap(MAP)
    const again = parseBundleMap(stringifyBundleMap(bundles))
    expect(again.equals(bundles)).toBe(true)
    expect(stringifyBundleMap(again)).toBe(stringifyBundleMap(bundles))
    expect(parseBundleMap('{"trust_domains":{}}').size).toBe(0)
  })

  test.each([
    ['two bundles of one trust domain', '"a.org":{"keys":[]},"a.org":{"keys":[]}'],
    ['the same in other words', '"a.org":{"keys":[]},"\\u0061.org":{"keys":[]}'],
    ['a member of a bundle twice', '"a.org":{"keys":[],"keys":[]}'],
    ['a member of a key twice', '"a.org":{"keys":[{"kid":"1","kid":"2"}]}'],
    ['a SPIFFE ID for a name', '"spiffe://a.org":{"keys":[]}'],
    ['an upper-case name', '"A.org":{"keys":[]}'],
    ['an empty name', '"":{"keys":[]}'],
    ['a bundle without keys', '"a.org":{}'],
    ['no bundle at all', '"a.org":null'],
    ['a list', '"a.org":[]'],
  ])('rule 45: with %s it is refused as a whole', (_, members) => {
    refuses('invalid-bundle', () =>
      parseBundleMap(`{"trust_domains":{"z":{"keys":[]},${members}}}`),
    )
  })

  test.each([
    ['no trust_domains', '{}'],
    ['trust_domains as a list', '{"trust_domains":[]}'],
    ['trust_domains twice', '{"trust_domains":{},"trust_domains":{}}'],
    ['a list', '[]'],
    ['no JSON', '{"trust_domains":{}'],
    ['too many octets', `{"trust_domains":{},"x":"${' '.repeat(16 * 1024 * 1024)}"}`],
    [
      'too many trust domains',
      `{"trust_domains":{${Array.from({ length: 10_001 }, (_, at) => `"${at}":{"keys":[]}`).join(',')}}}`,
    ],
  ])('with %s it is refused', (_, text) => {
    refuses('invalid-bundle', () => parseBundleMap(text))
  })
})
