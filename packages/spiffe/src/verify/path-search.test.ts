import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { Certificate } from '../x509/certificate.ts'
import { newKeyPair, type KeyPair } from '../x509/x509.test.support.ts'
import {
  certify,
  checksFor,
  keysOn,
  PAST,
  party,
  ROOMY,
  selfSigned,
  svid,
  trusting,
  verdict,
  type Party,
  type Shape,
} from './authorities.test.support.ts'

const parties = (count: number): Party[] =>
  Array.from({ length: count }, (_, index) => party(`authority ${index}`))

/** Every one certifies every other. */
const mesh = (members: readonly Party[], shape: Shape = {}): Certificate[] =>
  members.flatMap((subject) =>
    members.filter((issuer) => issuer !== subject).map((issuer) => certify(subject, issuer, shape)),
  )

const pool: KeyPair[] = []

/** As many keys, each another one; other tests use them as well. */
const pooledKeys = (count: number): readonly KeyPair[] => {
  while (pool.length < count) pool.push(newKeyPair())
  return pool.slice(0, count)
}

const lookAlikesByShape = new Map<Shape, Certificate[]>()

const lookAlikes = (count: number, shape: Shape): readonly Certificate[] => {
  const made = lookAlikesByShape.get(shape) ?? []
  lookAlikesByShape.set(shape, made)
  for (const keys of pooledKeys(count).slice(made.length)) {
    made.push(selfSigned(party('authority', keys), shape))
  }
  return made.slice(0, count)
}

const NO_KEY_IDS: Shape = { keyIds: false }

describe('authorities that all certify one another', () => {
  const members = parties(10)
  const [first, last] = [members[0]!, members.at(-1)!]
  const all = mesh(members)
  const chain = [svid(first), ...all]
  const anchor = selfSigned(last)

  test('hide no path, and cost one check for each certificate at most', () => {
    expect(all).toHaveLength(90)
    expect(verdict(chain, trusting(anchor), ROOMY)).toBe('accepted')
    expect(checksFor(chain, trusting(anchor), ROOMY)).toBeLessThanOrEqual(91)
  })

  test('are refused when none of them is trusted, within the budget', () => {
    const stranger = selfSigned(party('stranger'))
    expect(verdict(chain, trusting(stranger), ROOMY)).toBe('no-path')
    expect(checksFor(chain, trusting(stranger), ROOMY)).toBeLessThanOrEqual(91)
  })

  test('are led through without key identifiers, in any order', () => {
    const shape = { keyIds: false }
    const sent = [svid(first, shape), ...mesh(members, shape).toReversed()]
    expect(verdict(sent, trusting(selfSigned(last, shape)), ROOMY)).toBe('accepted')
    expect(checksFor(sent, trusting(selfSigned(last, shape)), ROOMY)).toBeLessThanOrEqual(91)
  })

  test('are given up where every way through them has to be tried', () => {
    const stranger = party('stranger')
    // Breaks a rule that depends on the path, wherever it is reached over another certificate.
    const narrow = certify(members[5]!, stranger, { pathLength: 0 })
    const sent = [...chain, narrow]
    expect(verdict(sent, trusting(anchor), ROOMY)).toBe('accepted')
    expect(verdict(sent, trusting(selfSigned(party('other'))), ROOMY)).toBe('budget-exceeded')
    const small = [svid(first), ...mesh(members.slice(0, 4)), narrow]
    expect(verdict(small, trusting(selfSigned(party('other'))))).toBe('no-path')
  })

  test('leave the short path where path lengths forbid the long ones', () => {
    const narrow = mesh(members, { pathLength: 0 })
    const sent = [svid(first), ...narrow]
    expect(verdict(sent, trusting(anchor), ROOMY)).toBe('accepted')
    const stranger = selfSigned(party('stranger'))
    expect(verdict(sent, trusting(stranger), ROOMY)).toBe('path-too-long')
  })
})

describe('a path that is legal while a likelier one is not', () => {
  const [lower, middle, upper, top, root] = parties(5) as [Party, Party, Party, Party, Party]
  const leaf = svid(lower)
  // leaf, lower, middle, upper, top: one too many below top, which is reached this way first.
  const long = [certify(lower, middle), certify(middle, upper)]
  const short = certify(lower, upper, { keyIds: false })
  const shared = [certify(upper, top), certify(top, root, { pathLength: 2 })]

  test('is found though the certificates above it were reached on the other', () => {
    const bundles = trusting(selfSigned(root))
    expect(verdict([leaf, ...long, ...shared], bundles)).toBe('path-too-long')
    expect(verdict([leaf, short, ...shared], bundles)).toBe('accepted')
    expect(verdict([leaf, ...long, short, ...shared], bundles)).toBe('accepted')
    expect(verdict([leaf, short, ...long, ...shared], bundles)).toBe('accepted')
  })
})

describe('loops', () => {
  test('end, with and without a way out', () => {
    const [one, two, three, root] = parties(4) as [Party, Party, Party, Party]
    const circle = [certify(one, two), certify(two, three), certify(three, one)]
    const chain = [svid(one), ...circle, selfSigned(one), selfSigned(two)]
    expect(verdict(chain, trusting(selfSigned(root)))).toBe('no-path')
    expect(verdict(chain, trusting(selfSigned(three)))).toBe('accepted')
    expect(verdict([...chain, certify(three, root)], trusting(selfSigned(root)))).toBe('accepted')
  })

  test('end where every way is tried, since a rule that depends on the path was broken', () => {
    const [one, two, three, stranger] = parties(4) as [Party, Party, Party, Party]
    const circle = [certify(one, two), certify(two, three), certify(three, one)]
    const narrow = certify(two, stranger, { pathLength: 0 })
    const bundles = trusting(selfSigned(party('other')))
    expect(verdict([svid(one), ...circle, narrow], bundles)).toBe('path-too-long')
    expect(checksFor([svid(one), ...circle, narrow], bundles)).toBe(3)
  })

  test('of one name and key are not gone through twice', () => {
    const one = party('one')
    const renewed = [selfSigned(one), selfSigned(one, { pathLength: 3 })]
    const chain = [svid(one), ...renewed]
    expect(verdict(chain, trusting(selfSigned(party('one'))))).toBe('bad-signature')
    expect(checksFor(chain, trusting(selfSigned(party('one'))))).toBeLessThanOrEqual(4)
  })
})

describe('look-alikes in the bundle', () => {
  const right = party('authority')
  const plain = NO_KEY_IDS

  test('cost nothing where key identifiers tell them apart', () => {
    const bundles = trusting(...lookAlikes(100, {}), selfSigned(right))
    expect(checksFor([svid(right)], bundles)).toBe(1)
  })

  test('a hundred kilobytes of them without key identifiers are within the default budget', () => {
    const many = lookAlikes(325, plain)
    expect(many.reduce((sum, { raw }) => sum + raw.length, 0)).toBeGreaterThan(100_000)
    const bundles = trusting(...many, selfSigned(right, plain))
    expect(verdict([svid(right, plain)], bundles)).toBe('accepted')
    expect(checksFor([svid(right, plain)], bundles)).toBe(326)
  })

  test('that have expired are not asked before the one that is valid', () => {
    const bundles = trusting(
      ...lookAlikes(400, { ...plain, draft: PAST }),
      selfSigned(right, plain),
    )
    expect(checksFor([svid(right, plain)], bundles)).toBe(1)
  })

  test('of another kind of key are not asked at all', () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const bundles = trusting(selfSigned(party('authority', keys), plain), selfSigned(right, plain))
    expect(checksFor([svid(right, plain)], bundles)).toBe(1)
  })

  test('more than the budget allows are refused, and not searched on', () => {
    const bundles = trusting(...lookAlikes(400, plain), selfSigned(right, plain))
    expect(verdict([svid(right, plain)], bundles)).toBe('budget-exceeded')
  })
})

describe('look-alikes in the chain', () => {
  const root = party('root')
  const right = party('authority')
  const bundles = trusting(selfSigned(root))

  test('a hundred of them are distinguished by key identifiers, or refused by a budget for their number', () => {
    const chain = [svid(right), ...lookAlikes(100, {}), certify(right, root)]
    expect(verdict(chain, bundles)).toBe('accepted')
    expect(checksFor(chain, bundles)).toBe(2)
    expect(verdict(chain, bundles, { maxCertificates: 101 })).toBe('too-many-certificates')
  })

  test('as many as a message of TLS carries, without key identifiers, do not hide a path', () => {
    const plain = NO_KEY_IDS
    const [leaf, link] = [svid(right, plain), certify(right, root, plain)]
    const room = 102_400 - leaf.raw.length - link.raw.length
    const each = lookAlikes(1, plain)[0]!.raw.length + 3
    const crowd = lookAlikes(Math.floor(room / each), plain)
    expect(crowd.length).toBeGreaterThan(300)
    expect(verdict([leaf, ...crowd, link], bundles)).toBe('accepted')
    expect(checksFor([leaf, ...crowd, link], bundles)).toBe(crowd.length + 2)
  })

  test('with dear keys are refused within the budget', () => {
    const plain = NO_KEY_IDS
    const dear = Array.from({ length: 20 }, () =>
      selfSigned(party('authority', keysOn('P-521')), plain),
    )
    const chain = [svid(right, plain), ...dear, certify(right, root, plain)]
    expect(verdict(chain, bundles)).toBe('budget-exceeded')
    expect(verdict([chain[0]!, ...dear.slice(0, 19), chain.at(-1)!], bundles)).toBe('accepted')
  })

  test('a hundred of them without key identifiers are gone through once', () => {
    const plain = NO_KEY_IDS
    const chain = [svid(right, plain), ...lookAlikes(100, plain), certify(right, root, plain)]
    expect(verdict(chain, bundles, ROOMY)).toBe('accepted')
    expect(checksFor(chain, bundles, ROOMY)).toBe(102)
  })

  test('as many as fit beside a path do not hide it', () => {
    const plain = NO_KEY_IDS
    const chain = [svid(right, plain), ...lookAlikes(14, plain), certify(right, root, plain)]
    expect(verdict(chain, bundles)).toBe('accepted')
  })

  test('and the same one again and again cost one check', () => {
    const intermediate = certify(right, root)
    const copies = Array.from({ length: 14 }, () => Certificate.fromDer(intermediate.raw))
    const chain = [svid(right), ...copies]
    expect(checksFor(chain, trusting(selfSigned(party('root'))))).toBe(2)
  })

  test('of one key cost one check together', () => {
    const variants = Array.from({ length: 14 }, (_, index) =>
      certify(right, party(`elsewhere ${index}`)),
    )
    const chain = [svid(right), ...variants, certify(right, root)]
    expect(checksFor(chain, bundles)).toBe(2)
  })
})

describe('many authorities', () => {
  const keys = newKeyPair()
  const three = Array.from({ length: 3000 }, (_, index) =>
    selfSigned(party(`authority ${index}`, keys)),
  )

  test('three thousand in one bundle are read, and cost a verification nothing', () => {
    const domain = TrustDomain.parse('example.org')
    const bundle = X509Bundle.fromDer(domain, Buffer.concat(three.map(({ raw }) => raw)))
    expect(bundle.authorities).toHaveLength(3000)
    const chain = [svid(party('authority 2999', keys))]
    expect(checksFor(chain, BundleSet.of(bundle))).toBe(1)
  })
})

/** A leaf and the intermediates below an anchor, and who that is. */
const ladder = (
  count: number,
  keys: readonly KeyPair[] = pooledKeys(count),
): [Certificate[], Certificate, Party] => {
  const members = keys.map((own, index) => party(`step ${index}`, own))
  const links = members.slice(1).map((issuer, index) => certify(members[index]!, issuer))
  const top = members.at(-1)!
  return [[svid(members[0]!), ...links], selfSigned(top), top]
}

describe('long chains', () => {
  test('of sixteen certificates are accepted, with the dearest keys, in any order', () => {
    const keys = Array.from({ length: 16 }, () => keysOn('P-521'))
    const [chain, anchor] = ladder(16, keys)
    expect(chain).toHaveLength(16)
    const [leaf, ...links] = chain
    expect(verdict(chain, trusting(anchor))).toBe('accepted')
    expect(verdict([leaf!, ...links.toReversed()], trusting(anchor))).toBe('accepted')
  })

  test.each([17, 32, 100, 220])('of %d certificates are accepted, in any order', (count) => {
    const [chain, anchor] = ladder(count)
    const [leaf, ...links] = chain
    expect(verdict(chain, trusting(anchor))).toBe('accepted')
    expect(verdict([leaf!, ...links.toReversed()], trusting(anchor))).toBe('accepted')
    expect(checksFor(chain, trusting(anchor))).toBe(count)
  })

  test('of more than 512 certificates are refused before they are read, or of what the budget says', () => {
    const [chain, anchor] = ladder(2)
    const sent = (count: number): Certificate[] => [
      ...chain,
      ...Array.from({ length: count - 2 }, () => chain[1]!),
    ]
    const room = { maxBytes: 1_000_000 }
    expect(verdict(sent(512), trusting(anchor), room)).toBe('accepted')
    expect(verdict(sent(513), trusting(anchor), room)).toBe('too-many-certificates')
    expect(verdict(sent(3), trusting(anchor), { maxCertificates: 2 })).toBe('too-many-certificates')
  })

  test('are given up where they lead to authorities that certify one another', () => {
    const [chain, , top] = ladder(200)
    const members = parties(6)
    const ways = [certify(top, members[0]!), ...mesh(members)]
    const narrow = certify(members[5]!, party('stranger'), { pathLength: 0 })
    const other = trusting(selfSigned(party('other')))
    const sent = [...chain, ...ways, narrow]
    // Hundreds of ways, each two hundred certificates from the leaf.
    expect(verdict(sent, other)).toBe('budget-exceeded')
    expect(verdict([svid(top), ...ways, narrow], other)).toBe('path-too-long')
  })
})
