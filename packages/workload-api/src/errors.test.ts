import { expect, test } from '@jest/globals'
import { quote } from './errors.ts'

test.each([
  ['a SPIFFE ID', 'spiffe://example.org/web', '"spiffe://example.org/web"'],
  ['a bad SPIFFE ID', 'SPIFFE://Example.org/web?x', '"SPIFFE://Example.org/web?x"'],
  ['a trust domain', 'example.org', '"example.org"'],
  ['a token', 'eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl', '(37 characters)'],
  ['a key', '-----BEGIN PRIVATE KEY-----\nMIG', '(31 characters)'],
  ['a token after an ID', 'spiffe://example.org/web\x12\x01eyJhbGciOiJF', '(38 characters)'],
  ['a long text', `spiffe://${'x'.repeat(300)}`, '(309 characters)'],
  ['nothing', '', '(0 characters)'],
])('a message shows of %s what may be shown', (_what, value, shown) => {
  expect(quote(value)).toBe(shown)
})
