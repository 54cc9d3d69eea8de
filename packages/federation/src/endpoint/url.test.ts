import { expect, test } from '@jest/globals'
import { endpointUrlFault } from './url.ts'

test.each([
  'https://partner.test',
  'https://partner.test/bundle?version=1',
  'https://127.0.0.1:8443/',
  'https://[::1]:8443/',
  'HTTPS://partner.test/',
])('rule 47: %s is the URL of an endpoint', (url) => {
  expect(endpointUrlFault(url)).toBeUndefined()
})

test.each<[string, unknown]>([
  ['http', 'http://partner.test/'],
  ['another scheme', 'spiffe://partner.test/'],
  ['no scheme', '//partner.test/'],
  ['no host', 'https:///bundle'],
  ['one slash', 'https:/partner.test/'],
  ['a user', 'https://user@partner.test/'],
  ['a user and a password', 'https://user:secret@partner.test/'],
  ['an empty user', 'https://@partner.test/'],
  ['a fragment', 'https://partner.test/#bundle'],
  ['an empty fragment', 'https://partner.test/#'],
  ['a backslash', 'https://partner.test\\@evil.test/'],
  ['a space', 'https://partner.test/ '],
  ['a tab within', 'https://part\tner.test/'],
  ['a letter that is not ASCII', 'https://pártner.test/'],
  ['a port that is none', 'https://partner.test:70000/'],
  ['no text', 5],
  ['too long', `https://partner.test/${'a'.repeat(2048)}`],
])('rule 47: one with %s is refused', (_what, url) => {
  expect(endpointUrlFault(url)).toMatch(/^must /)
})
