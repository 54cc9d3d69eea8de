import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import type { RevocationListTemplate } from '@fastify-spiffe/authority'
import {
  BundleSet,
  RevocationList,
  RevocationPolicies,
  verifyX509Svid,
  X509Bundle,
  type Certificate,
  type RefusalCode,
  type RevocationOptions,
  type VerifyOptions,
} from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { HOUR_MS, NOW } from '../support/verdict.ts'

const WEB = 'spiffe://example.org/web'
const times = { clock: () => NOW }

let root: MintedCa
let middle: MintedCa
let leaf: MintedCertificate
let below: MintedCertificate

beforeAll(async () => {
  root = await mintRootCa('example.org', {}, times)
  middle = await root.mintCa()
  leaf = await root.mint(WEB)
  below = await middle.mint(WEB)
})

const serialOf = (minted: MintedCertificate): string => minted.toX509Svid(times).leaf.serialNumber

const listOf = async (
  ca: MintedCa,
  template: RevocationListTemplate = {},
): Promise<RevocationList> => RevocationList.fromDer(await ca.mintRevocationList(template))

/** A list of `ca` that revokes what was minted. */
const revoking = (ca: MintedCa, ...minted: MintedCertificate[]): Promise<RevocationList> =>
  listOf(ca, { revoked: minted.map(serialOf) })

const bundlesWith = (
  authorities: readonly MintedCa[],
  ...lists: readonly RevocationList[]
): BundleSet =>
  BundleSet.of(
    X509Bundle.of(
      root.trustDomain,
      authorities.map(({ certificate }) => certificate),
      lists,
    ),
  )

const judge = (
  minted: MintedCertificate | readonly Certificate[],
  bundles: BundleSet,
  options: VerifyOptions = {},
): RefusalCode | 'accepted' => {
  const chain = 'chain' in minted ? minted.toX509Svid(times).certificates : minted
  const verification = verifyX509Svid(chain, bundles, { ...times, ...options })
  return verification.ok ? 'accepted' : verification.code
}

describe('revocation (RFC 5280 §6.3)', () => {
  test('a leaf that a current list of its issuer names is refused', async () => {
    const bundles = bundlesWith([root], await revoking(root, leaf))
    expect(judge(leaf, bundles)).toBe('revoked')
    expect(judge(await root.mint(WEB), bundles)).toBe('accepted')
  })

  test('an intermediate that a list of its issuer names takes all that it issued along', async () => {
    const revoked = [middle.certificate.serialNumber]
    const bundles = bundlesWith([root], await listOf(root, { revoked }))
    expect(judge(below, bundles)).toBe('revoked')
    expect(judge(leaf, bundles)).toBe('accepted')
  })

  test('a leaf below an intermediate is revoked by the list of that intermediate, and by no other', async () => {
    expect(judge(below, bundlesWith([root], await revoking(middle, below)))).toBe('revoked')
    expect(judge(below, bundlesWith([root], await revoking(root, below)))).toBe('accepted')
  })

  test('an authority of the bundle is not revoked by a list: it is trusted as such', async () => {
    const own = await listOf(root, { revoked: [root.certificate.serialNumber] })
    expect(judge(leaf, bundlesWith([root], own))).toBe('accepted')
  })

  test('§6.3.3 a: a list after its next update is not used', async () => {
    const template = { revoked: [serialOf(leaf)], thisUpdate: NOW - 2 * HOUR_MS }
    const ended = await listOf(root, { ...template, nextUpdate: NOW - 1000 })
    const ending = await listOf(root, { ...template, nextUpdate: NOW })
    expect(judge(leaf, bundlesWith([root], ended))).toBe('accepted')
    expect(judge(leaf, bundlesWith([root], ending))).toBe('revoked')
  })

  test('a list that is dated ahead counts, for the clock of its issuer may be ahead', async () => {
    const template = { thisUpdate: NOW + HOUR_MS / 2, nextUpdate: NOW + HOUR_MS }
    const list = await listOf(root, { revoked: [serialOf(leaf)], ...template })
    expect(judge(leaf, bundlesWith([root], list))).toBe('revoked')
  })

  test('of several current lists the latest counts', async () => {
    const older = await listOf(root, {
      revoked: [serialOf(leaf)],
      thisUpdate: NOW - HOUR_MS,
      nextUpdate: NOW + HOUR_MS,
    })
    const newer = await listOf(root)
    expect(judge(leaf, bundlesWith([root], older, newer))).toBe('accepted')
    expect(judge(leaf, bundlesWith([root], newer, older))).toBe('accepted')
  })

  test('§6.3.3 f: a list of an issuer that may sign certificates but no lists is not used', async () => {
    const { subject, keyPair } = root
    const mute = await mintRootCa(
      'example.org',
      { subject, keyPair, keyUsage: ['keyCertSign'] },
      times,
    )
    const list = await revoking(root, leaf)
    expect(judge(leaf, bundlesWith([mute], list))).toBe('accepted')
    expect(judge(leaf, bundlesWith([mute], list), { revocation: 'strict' })).toBe(
      'revocation-unknown',
    )
  })

  test('§6.3.3 g: a list that the key of the issuer did not sign is not used', async () => {
    const other = await mintRootCa('example.org', { subject: root.subject }, times)
    const revoked = [serialOf(leaf)]
    const forged = [
      await listOf(root, { revoked, corruptSignature: true }),
      await listOf(root, { revoked, signedBy: other }),
      await listOf(root, { revoked, hash: 'SHA-1' }),
      await listOf(other, { revoked }),
    ]
    for (const list of forged) {
      expect(judge(leaf, bundlesWith([root, other], list))).toBe('accepted')
      expect(judge(leaf, bundlesWith([root, other], list), { revocation: 'strict' })).toBe(
        'revocation-unknown',
      )
    }
  })

  test('the lists of another trust domain say nothing', async () => {
    const list = await revoking(root, leaf)
    const other = await mintRootCa('other.test', {}, times)
    const foreign = X509Bundle.of(other.trustDomain, [other.certificate], [list])
    expect(judge(leaf, bundlesWith([root]).with(foreign))).toBe('accepted')
  })
})

describe('several paths', () => {
  test('a revoked leaf stays so when its authority was renewed with the same key, whichever comes first', async () => {
    const { subject, keyPair } = root
    const renewed = await mintRootCa('example.org', { subject, keyPair }, times)
    const list = await revoking(root, leaf)
    expect(judge(leaf, bundlesWith([root, renewed], list))).toBe('revoked')
    expect(judge(leaf, bundlesWith([renewed, root], list))).toBe('revoked')
    expect(judge(leaf, bundlesWith([renewed], list))).toBe('revoked')
  })

  test('a revoked intermediate is replaced by another certificate of the same key that is not (§6.1)', async () => {
    const other = await mintRootCa('example.org', {}, times)
    const { subject, keyPair } = middle
    const cross = await other.mintCa({ subject, keyPair })
    const list = await listOf(root, { revoked: [middle.certificate.serialNumber] })
    const chain = [...below.toX509Svid(times).certificates, cross.certificate] as const
    expect(judge(chain, bundlesWith([root, other]))).toBe('accepted')
    expect(judge(chain, bundlesWith([root, other], list))).toBe('accepted')
    expect(judge(chain, bundlesWith([root], list))).toBe('revoked')
    const both = await listOf(other, { revoked: [cross.certificate.serialNumber] })
    expect(judge(chain, bundlesWith([root, other], list, both))).toBe('revoked')
  })

  test('a way that another intermediate led to first is found again when that one is revoked', async () => {
    // leaf <- signer <- (one | two) <- root
    const [one, two] = [await root.mintCa(), await root.mintCa()]
    const signer = await one.mintCa()
    const { subject, keyPair } = signer
    const again = await two.mintCa({ subject, keyPair })
    const minted = await signer.mint(WEB)
    const chain = [
      minted.toX509Svid(times).leaf,
      ...[signer, again, one, two].map(({ certificate }) => certificate),
    ]
    for (const revoked of [one, two]) {
      const list = await listOf(root, { revoked: [revoked.certificate.serialNumber] })
      expect(judge(chain, bundlesWith([root], list))).toBe('accepted')
    }
    const revoked = [one, two].map(({ certificate }) => certificate.serialNumber)
    expect(judge(chain, bundlesWith([root], await listOf(root, { revoked })))).toBe('revoked')
  })
})

describe('a policy', () => {
  test('off does not look at lists', async () => {
    const bundles = bundlesWith([root], await revoking(root, leaf))
    expect(judge(leaf, bundles, { revocation: 'off' })).toBe('accepted')
  })

  test('strict wants a current list for each certificate below the authority', async () => {
    const [ofRoot, ofMiddle] = [await listOf(root), await listOf(middle)]
    const strict = { revocation: 'strict' } as const
    expect(judge(below, bundlesWith([root]), strict)).toBe('revocation-unknown')
    expect(judge(below, bundlesWith([root], ofRoot), strict)).toBe('revocation-unknown')
    expect(judge(below, bundlesWith([root], ofMiddle), strict)).toBe('revocation-unknown')
    expect(judge(below, bundlesWith([root], ofRoot, ofMiddle), strict)).toBe('accepted')
    const revoked = await revoking(middle, below)
    expect(judge(below, bundlesWith([root], ofRoot, revoked), strict)).toBe('revoked')
  })

  test('strict finds the path that lists stand for, among others', async () => {
    const other = await mintRootCa('example.org', {}, times)
    const { subject, keyPair } = middle
    const cross = await other.mintCa({ subject, keyPair })
    const chain = [...below.toX509Svid(times).certificates, cross.certificate]
    const strict = { revocation: 'strict' } as const
    const ofMiddle = await listOf(middle)
    for (const ca of [root, other]) {
      const bundles = bundlesWith([root, other], ofMiddle, await listOf(ca))
      expect(judge(chain, bundles, strict)).toBe('accepted')
    }
    expect(judge(chain, bundlesWith([root, other], ofMiddle), strict)).toBe('revocation-unknown')
  })

  test('strict ends the proof at the next update of the first list that the path needs', async () => {
    const nextUpdate = NOW + HOUR_MS / 4
    const lists = [await listOf(root), await listOf(middle, { nextUpdate })]
    const { certificates } = below.toX509Svid(times)
    const validUntil = (options: VerifyOptions): number | null => {
      const verification = verifyX509Svid(certificates, bundlesWith([root], ...lists), {
        ...times,
        ...options,
      })
      return verification.ok ? verification.svid.validUntil : null
    }
    expect(validUntil({ revocation: 'strict' })).toBe(nextUpdate)
    expect(validUntil({ revocation: 'soft' })).toBe(NOW + HOUR_MS)
    expect(validUntil({ revocation: 'strict', clock: () => nextUpdate })).toBe(nextUpdate)
    expect(validUntil({ revocation: 'strict', clock: () => nextUpdate + 1 })).toBeNull()
  })

  test('holds for all trust domains, with exceptions by name', () => {
    const policies = RevocationPolicies.of({
      default: 'off',
      trustDomains: { 'example.org': 'strict' },
    })
    expect(judge(leaf, bundlesWith([root]), { revocation: policies })).toBe('revocation-unknown')
    const others = RevocationPolicies.of({ trustDomains: { 'other.test': 'strict' } })
    expect(judge(leaf, bundlesWith([root]), { revocation: others })).toBe('accepted')
    expect(others.for(root.trustDomain)).toBe('soft')
    expect(RevocationPolicies.of().key).toBe(RevocationPolicies.of('soft').key)
    expect(policies.key).not.toBe(others.key)
  })

  test.each<[string, string]>([
    ['invalid-revocation-policy', '"hard"'],
    ['invalid-revocation-policy', '{ "default": "none" }'],
    ['invalid-revocation-policy', '{ "trustDomains": { "example.org": true } }'],
    ['unknown-option', '{ "trustDomain": {} }'],
    ['invalid-revocation-policy', 'null'],
    ['invalid-revocation-policy', '7'],
    ['invalid-revocation-policy', '[]'],
    ['invalid-revocation-policy', '{ "trustDomains": null }'],
    ['invalid-revocation-policy', '{ "trustDomains": [] }'],
    [
      'invalid-revocation-policy',
      '{ "trustDomains": { "a.test": "strict", "spiffe://a.test": "off" } }',
    ],
    ['invalid-trust-domain', '{ "trustDomains": { "Example.org": "soft" } }'],
  ])('is refused as %s when it is %s', (code, json) => {
    expect(() => RevocationPolicies.of(JSON.parse(json))).toThrow(expect.objectContaining({ code }))
  })

  test('of trust domains in a map are refused, and not passed over', () => {
    const options: RevocationOptions = { trustDomains: {} }
    Reflect.set(options, 'trustDomains', new Map([['example.org', 'strict']]))
    expect(() => RevocationPolicies.of(options)).toThrow(
      expect.objectContaining({ code: 'invalid-revocation-policy' }),
    )
  })

  test('that nobody knows is taken for strict', () => {
    const options: VerifyOptions = JSON.parse('{ "revocation": "hard" }')
    expect(judge(leaf, bundlesWith([root]), options)).toBe('revocation-unknown')
  })
})

describe('the signature of a list', () => {
  test('counts in the budget, and once it is known costs nothing', async () => {
    const list = await revoking(root, leaf)
    const bundles = bundlesWith([root], list)
    const budget = { maxSignatureChecks: 1 }
    const fresh = await root.mint(WEB)
    expect(judge(fresh, bundles, { budget })).toBe('budget-exceeded')
    expect(judge(fresh, bundles)).toBe('accepted')
    expect(judge(fresh, bundles, { budget })).toBe('accepted')
    expect(judge(leaf, bundles, { budget })).toBe('revoked')
  })

  test('is not checked for a peer that no authority vouches for', async () => {
    const list = await listOf(root)
    const impostor = await mintRootCa('example.org', { subject: root.subject }, times)
    const minted = await impostor.mint(WEB)
    const chain = [minted.toX509Svid(times).leaf, impostor.certificate]
    expect(judge(chain, bundlesWith([root], list))).toBe('bad-signature')
    expect(list.knownSigner(impostor.certificate)).toBeUndefined()
    expect(list.knownSigner(root.certificate)).toBeUndefined()
  })
})
