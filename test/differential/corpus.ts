import * as fc from 'fast-check'
import type { KeyType } from '@fastify-spiffe/authority'
import { changes } from './changes.ts'
import { GOOD, PLACES, type ChainDescription } from './description.ts'
import { identities } from './identities.ts'
import { sents } from './sent.ts'
import { trusts } from './trust.ts'

/** The usual one mostly; it is what the others shrink to. */
function mostly<T>(usual: T, others: readonly T[], weight: number): fc.Arbitrary<T> {
  return fc.oneof(
    { withCrossShrink: true },
    { arbitrary: fc.constant(usual), weight },
    { arbitrary: fc.constantFrom(...others), weight: 1 },
  )
}

const keyTypes: readonly KeyType[] = ['ec-p384', 'ec-p521', 'ed25519', 'rsa-2048']

/** Descriptions with none, one or a few oddities. */
export const chains: fc.Arbitrary<ChainDescription> = fc.record({
  intermediates: mostly(1, [0, 2, 3], 1),
  keyType: mostly(GOOD.keyType, keyTypes, 3),
  identity: mostly(GOOD.identity, identities.words, 9),
  trust: mostly(GOOD.trust, trusts.words, 3),
  sent: mostly(GOOD.sent, sents.words, 3),
  changes: fc.oneof(
    { withCrossShrink: true },
    { arbitrary: fc.constant([]), weight: 1 },
    { arbitrary: fc.array(change(), { minLength: 1, maxLength: 4, size: 'small' }), weight: 3 },
  ),
})

function change(): fc.Arbitrary<ChainDescription['changes'][number]> {
  return fc.record({ at: fc.constantFrom(...PLACES), is: fc.constantFrom(...changes.words) })
}

/** What an explanation is about, and chance seldom brings together. */
const pairs: readonly Partial<ChainDescription>[] = [
  {
    intermediates: 2,
    changes: [
      { at: 'anchor', is: 'path length 1' },
      { at: 'upper', is: 'the name of its issuer' },
    ],
  },
  {
    intermediates: 2,
    changes: [
      { at: 'anchor', is: 'permits DNS names of the host' },
      { at: 'upper', is: 'two DNS names' },
      { at: 'upper', is: 'the name of its issuer' },
    ],
  },
  { trust: 'the leaf', intermediates: 0, changes: [{ at: 'leaf', is: 'path length 0' }] },
  { sent: 'a look-alike last', changes: [{ at: 'issuer', is: 'an RSA key of 1024 bits' }] },
  {
    changes: [
      { at: 'issuer', is: 'permits another country' },
      { at: 'issuer', is: 'constraints not critical' },
    ],
  },
  {
    changes: [
      { at: 'issuer', is: 'permits a URI in full' },
      { at: 'issuer', is: 'permits the host' },
    ],
  },
  {
    trust: 'an expired certificate of the anchor, and a new one',
    changes: [{ at: 'anchor', is: 'an invalid ID' }],
  },
  {
    trust: 'a new certificate of the anchor, and an expired one',
    changes: [{ at: 'anchor', is: 'an invalid ID' }],
  },
  {
    changes: [
      { at: 'issuer', is: 'permits every DNS name' },
      { at: 'leaf', is: 'a DNS name' },
    ],
  },
  { trust: 'the nearest CA, and the anchor', changes: [{ at: 'anchor', is: 'key usage twice' }] },
  { sent: 'the leaf last', changes: [{ at: 'issuer', is: 'an https URI' }] },
  {
    sent: 'the leaf last',
    changes: [
      { at: 'issuer', is: 'an https URI' },
      { at: 'issuer', is: 'key usage for signatures' },
    ],
  },
]

/** Each oddity by itself, and some in pairs. */
export function singles(): readonly ChainDescription[] {
  const odd: Partial<ChainDescription>[] = [
    {},
    ...[0, 2, 3].map((intermediates) => ({ intermediates })),
    ...keyTypes.map((keyType) => ({ keyType })),
    ...identities.words.map((identity) => ({ identity })),
    ...trusts.words.flatMap((trust) =>
      [0, 1, 2].map((intermediates) => ({ trust, intermediates })),
    ),
    ...sents.words.flatMap((sent) => [0, 1, 2].map((intermediates) => ({ sent, intermediates }))),
    ...pairs,
    ...changes.words.flatMap((is) =>
      (['leaf', 'issuer', 'anchor'] as const).map((at) => ({ changes: [{ at, is }] })),
    ),
  ]
  return odd.map((difference) => Object.assign({}, GOOD, difference))
}
