import type { Explanation } from '../disagreement.ts'

const otherMembers = [
  'b64 true',
  'jwk with the key',
  // Together with a signature of the key of the bundle.
  "jwk with a stranger's key, which signed",
  'jku',
  'x5u',
  'x5t',
  'cty JWT',
  'zip DEF',
  'nonce',
  'an unknown member',
]

/** JWT-SVID §2. */
export const header: readonly Explanation[] = [
  {
    title: 'a token without kid',
    judges: ['go-spiffe', 'rust-spiffe'],
    difference: 'theirs refuses',
    changes: ['no kid', 'no kid, one key of several fits'],
    reason: /missing key id|'kid' not found/,
    rule: 'JWT-SVID §2.2',
    right: 'ours',
    why: 'The issuer may leave it out. Ours tries the keys of the trust domain that fit alg, up to 16; the others require what SPIRE writes.',
  },
  {
    title: 'ES512',
    judges: ['rust-spiffe'],
    difference: 'theirs refuses',
    changes: 'any',
    reason: /ES512/,
    rule: 'JWT-SVID §2.1',
    right: 'ours',
    why: 'It is one of the nine algorithms. What rust-spiffe verifies with does not have it.',
  },
  {
    title: 'typ null',
    judges: ['go-spiffe'],
    difference: 'ours refuses',
    changes: ['typ null'],
    reason: /^type-not-allowed$/,
    rule: 'JWT-SVID §2.3; RFC 7515 §4.1.9',
    right: 'ours',
    why: 'A typ that is there is JWT or JOSE. Go reads null as if there were none.',
  },
  {
    title: 'crit that names what go-jose knows, or nothing',
    judges: ['go-spiffe'],
    difference: 'ours refuses',
    changes: ['crit of b64', 'an empty crit', 'crit null'],
    reason: /^critical-header$/,
    rule: 'JWT-SVID §2; RFC 7515 §4.1.11',
    right: 'ours',
    why: 'A JWT-SVID has no such member, and the list must not be empty. go-jose goes by the names in it, and understands b64.',
  },
  {
    title: 'a header with another member',
    judges: ['go-spiffe'],
    difference: 'ours refuses',
    changes: otherMembers,
    reason: /^unknown-header$/,
    rule: 'JWT-SVID §2',
    right: 'ours',
    why: 'What the standard does not describe must not be there. go-spiffe passes over it, and rust-spiffe refuses it as ours does.',
  },
]
