import { X509Certificate as NodeX509Certificate } from 'node:crypto'
import { generateKeyPair, mintRootCa } from '@fastify-spiffe/authority'
import type {
  CertificateTemplate,
  KeyPair,
  KeyType,
  MintedCa,
  SvidTemplate,
} from '@fastify-spiffe/authority'
import { BundleSet, Certificate, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'
import type { RefusalCode } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { rsaKeyPair } from '@fastify-spiffe-test/kit/rsa-key-pair'
import { bundlesOf, HOUR_MS, NOW, verdict, verification } from '../support/verdict.ts'

const WEB = 'spiffe://example.org/web'
const CLOCK = { clock: () => NOW }
const PAST = { notBefore: NOW - 3 * HOUR_MS, notAfter: NOW - HOUR_MS }
const FUTURE = { notBefore: NOW + HOUR_MS, notAfter: NOW + 3 * HOUR_MS }
const NO_KEY_IDS = { subjectKeyIdentifier: false, authorityKeyIdentifier: false }
const UNKNOWN = '1.3.6.1.4.1.99999.1'

let authority: MintedCa
let bundles: BundleSet

const mint = (
  template: SvidTemplate = {},
  ca: MintedCa = authority,
): ReturnType<MintedCa['mint']> => ca.mint(WEB, template)

const anchorOf = (template: CertificateTemplate = {}, domain = 'example.org'): Promise<MintedCa> =>
  mintRootCa(domain, template, CLOCK)

const paddedWith = (bytes: number): SvidTemplate => ({
  extraExtensions: [{ oid: UNKNOWN, value: Buffer.alloc(bytes) }],
})

/** A new key pair; one of RSA is not random, which takes seconds. */
async function keyPairOf(type: KeyType): Promise<KeyPair> {
  if (type === 'rsa-2048') return rsaKeyPair(2048)
  return type === 'rsa-4096' ? rsaKeyPair(4096) : generateKeyPair(type)
}

/** What a good leaf gets when an intermediate of that shape issued it. */
async function below(template: CertificateTemplate): Promise<RefusalCode | 'accepted'> {
  return verdict(await mint({}, await authority.mintCa(template)), bundles)
}

/** What a good leaf gets when an authority of that shape is in the bundle. */
async function belowAnchor(template: CertificateTemplate): Promise<RefusalCode | 'accepted'> {
  const anchor = await anchorOf(template)
  return verdict(await mint({}, anchor), bundlesOf(anchor))
}

beforeAll(async () => {
  authority = await anchorOf()
  bundles = bundlesOf(authority)
})

describe('signatures and names', () => {
  test('rule 31: a leaf is accepted with the path that was proven, its anchor and its earliest end', async () => {
    const intermediate = await authority.mintCa({ notAfter: NOW + HOUR_MS / 2 })
    const minted = await mint({}, intermediate)
    const outcome = verification(minted, bundles)
    expect(outcome.ok).toBe(true)
    if (!outcome.ok) return
    const { svid } = outcome
    expect(svid.spiffeId.toString()).toBe(WEB)
    expect(svid.leaf.raw.equals(minted.chain[0]!)).toBe(true)
    expect(svid.path.map(({ raw }) => raw.toString('hex'))).toEqual(
      [minted.chain[0]!, intermediate.der, authority.der].map((der) => der.toString('hex')),
    )
    expect(svid.anchor.raw.equals(authority.der)).toBe(true)
    expect(svid.notAfter).toBe(NOW + HOUR_MS / 2)
    for (const part of [outcome, svid, svid.path, svid.leaf])
      expect(Object.isFrozen(part)).toBe(true)
  })

  test('rule 31: a signature that was spoilt is refused, on every certificate', async () => {
    expect(verdict(await mint(), bundles)).toBe('accepted')
    expect(verdict(await mint({ corruptSignature: true }), bundles)).toBe('bad-signature')
    expect(await below({})).toBe('accepted')
    expect(await below({ corruptSignature: true })).toBe('bad-signature')
  })

  test('rule 31: a leaf that someone else signed in the name of the authority is refused', async () => {
    const impostor = await anchorOf({ subject: authority.subject })
    expect(verdict(await mint({}, impostor), bundles)).toBe('bad-signature')
    expect(verdict(await mint({ signedBy: 'self', issuer: authority.subject }), bundles)).toBe(
      'bad-signature',
    )
  })

  test('rule 31: the issuer has the name that the certificate gives', async () => {
    expect(verdict(await mint({ issuer: 'O=SPIFFE,CN=another' }), bundles)).toBe('no-path')
    const named = await anchorOf({ subject: 'O=SPIFFE,CN=The  Authority' })
    const other = await mint({ issuer: 'O=spiffe,CN=the authority' }, named)
    expect(verdict(other, bundlesOf(named))).toBe('accepted')
  })

  test.each<KeyType>(['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'])(
    'rule 31: keys of type %s sign and are certified',
    async (keyType) => {
      const anchor = await anchorOf({ keyPair: await keyPairOf(keyType) })
      const intermediate = await anchor.mintCa({ keyPair: await keyPairOf(keyType) })
      const keyPair = await keyPairOf(keyType)
      const minted = await mint({ keyPair }, intermediate)
      expect(verdict(minted, bundlesOf(anchor))).toBe('accepted')
      expect(minted.toX509Svid(CLOCK).spiffeId.toString()).toBe(WEB)
      const spoilt = await mint({ keyPair, corruptSignature: true }, intermediate)
      expect(verdict(spoilt, bundlesOf(anchor))).toBe('bad-signature')
    },
  )

  test('rule 31: an RSA key of 1024 bits is refused, on every certificate', async () => {
    const keyPair = await generateKeyPair('rsa-1024')
    const good = { keyType: 'ec-p256' } as const
    expect(verdict(await mint({ keyPair }), bundles)).toBe('weak-key')
    const intermediate = await authority.mintCa({ keyPair })
    expect(verdict(await mint(good, intermediate), bundles)).toBe('weak-key')
    const anchor = await anchorOf({ keyPair })
    const minted = await mint(good, anchor)
    expect(verdict(minted, bundlesOf(anchor))).toBe('weak-key')
    expect(Certificate.fromDer(minted.chain[0]!).isSignedBy(anchor.certificate)).toBe(false)
  })

  test('rule 31: a SHA-1 signature is refused on the path; that of an authority on itself does not count', async () => {
    const weak = { hash: 'SHA-1' } as const
    expect(verdict(await mint(weak), bundles)).toBe('weak-signature')
    expect(await below(weak)).toBe('weak-signature')
    expect(await belowAnchor(weak)).toBe('accepted')
    const rsa = await anchorOf({ keyPair: rsaKeyPair(2048) })
    const good = { keyType: 'ec-p256' } as const
    expect(verdict(await mint(good, rsa), bundlesOf(rsa))).toBe('accepted')
    expect(verdict(await mint({ ...good, ...weak }, rsa), bundlesOf(rsa))).toBe('weak-signature')
    // node:crypto takes it: the algorithm has to be read.
    const leaf = new NodeX509Certificate((await mint({ ...good, ...weak }, rsa)).chain[0]!)
    expect(leaf.verify(new NodeX509Certificate(rsa.der).publicKey)).toBe(true)
  })
})

describe('time', () => {
  test('rule 31: every certificate on the path is valid, the authority included', async () => {
    expect(verdict(await mint(PAST), bundles)).toBe('expired')
    expect(verdict(await mint(FUTURE), bundles)).toBe('not-yet-valid')
    expect(await below(PAST)).toBe('expired')
    expect(await below(FUTURE)).toBe('not-yet-valid')
    expect(await belowAnchor(PAST)).toBe('expired')
    expect(await belowAnchor(FUTURE)).toBe('not-yet-valid')
  })

  test('rule 31: validity includes its first and its last second', async () => {
    const minted = await mint({ notBefore: NOW, notAfter: NOW + 1000 })
    const at = (now: number): RefusalCode | 'accepted' => verdict(minted, bundles, { now })
    expect(at(NOW - 1)).toBe('not-yet-valid')
    expect(at(NOW)).toBe('accepted')
    expect(at(NOW + 1000)).toBe('accepted')
    expect(at(NOW + 1001)).toBe('expired')
  })

  test('rule 31: times after 2049 are read', async () => {
    const notAfter = Date.parse('2063-04-05T00:00:00Z')
    const anchor = await anchorOf({ notAfter })
    expect(verdict(await mint({ notAfter }, anchor), bundlesOf(anchor), { now: notAfter })).toBe(
      'accepted',
    )
    expect(
      verdict(await mint({ notAfter }, anchor), bundlesOf(anchor), { now: notAfter + 1 }),
    ).toBe('expired')
  })
})

describe('extensions and encoding', () => {
  test('rule 31: an unknown critical extension is refused, on every certificate', async () => {
    const value = Buffer.from('0500', 'hex')
    const template = (critical: boolean): CertificateTemplate => ({
      extraExtensions: [{ oid: UNKNOWN, critical, value }],
    })
    expect(verdict(await mint(template(false)), bundles)).toBe('accepted')
    expect(verdict(await mint(template(true)), bundles)).toBe('unknown-critical-extension')
    expect(await below(template(false))).toBe('accepted')
    expect(await below(template(true))).toBe('unknown-critical-extension')
    expect(await belowAnchor(template(true))).toBe('unknown-critical-extension')
  })

  test('rule 31: an extension that stands there twice is refused', async () => {
    const extraExtensions = [{ oid: UNKNOWN, value: Buffer.from('0500', 'hex') }]
    expect(verdict(await mint({ extraExtensions }), bundles)).toBe('accepted')
    for (const oid of ['2.5.29.15', '2.5.29.17', '2.5.29.19', UNKNOWN]) {
      const minted = await mint({ extraExtensions, duplicateExtensions: [oid] })
      expect(verdict(minted, bundles)).toBe('malformed')
    }
  })

  test('rule 31: a critical flag of 01 does not pass for one that is not set', async () => {
    const extraExtensions = [{ oid: UNKNOWN, critical: true, value: Buffer.from('0500', 'hex') }]
    const minted = await mint({
      extraExtensions,
      chain: ([leaf]) => {
        leaf![leaf!.indexOf('0101ff04020500', 0, 'hex') + 2] = 0x01
        return [leaf!]
      },
    })
    expect(verdict(await mint({ extraExtensions }), bundles)).toBe('unknown-critical-extension')
    expect(verdict(minted, bundles)).toBe('malformed')
  })

  test('rule 31: an intermediate that is no strict DER is refused, needed or not', async () => {
    const odd = await authority.mintCa({ duplicateExtensions: ['2.5.29.19'] })
    const chain = [...(await mint()).chain]
    expect(verdict(chain, bundles)).toBe('accepted')
    expect(verdict([...chain, odd.der], bundles)).toBe('malformed')
  })

  test('rule 31: what is read is what another library reads', async () => {
    const { X509Certificate, BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags } =
      await importOracle()
    const leaves = [
      await mint(),
      await mint({ keyPair: rsaKeyPair(2048), subject: '', dnsNames: ['a.test'] }),
    ]
    const cas = [await authority.mintCa({ pathLength: 3 }), await anchorOf({ keyType: 'ed25519' })]
    for (const der of [...leaves.map(({ chain }) => chain[0]!), ...cas.map((ca) => ca.der)]) {
      const own = Certificate.fromDer(der)
      const other = new X509Certificate(der)
      expect(own.serialNumber).toBe(other.serialNumber)
      expect(own.notBefore).toBe(other.notBefore.getTime())
      expect(own.notAfter).toBe(other.notAfter.getTime())
      expect(own.subject.isEmpty).toBe(other.subject === '')
      const constraints = other.getExtension(BasicConstraintsExtension)
      expect(own.extensions.basicConstraints).toEqual({
        critical: constraints?.critical,
        value: { isCa: constraints?.ca, pathLength: constraints?.pathLength },
      })
      const usages = other.getExtension(KeyUsagesExtension)?.usages ?? 0
      const names = own.extensions.keyUsage?.value ?? []
      expect(names.reduce((sum, name) => sum | KeyUsageFlags[name], 0)).toBe(usages)
    }
  })
})

describe('the way to an authority', () => {
  test('rule 31: an issuer that is no CA is refused, though its signature is good', async () => {
    const keyPair = await generateKeyPair('ec-p256')
    const subject = 'O=SPIRE,CN=neighbour'
    const neighbour = await authority.mintCa({
      subject,
      keyPair,
      ca: false,
      keyUsage: ['digitalSignature'],
    })
    expect(verdict(await mint({}, neighbour), bundles)).toBe('issuer-not-ca')
    const real = await authority.mintCa({ subject, keyPair })
    expect(verdict(await mint({}, real), bundles)).toBe('accepted')
  })

  test('rule 31: certificates may be sent in any order, with others among them', async () => {
    const outer = await authority.mintCa()
    const inner = await outer.mintCa()
    const stranger = await anchorOf()
    const [leaf, ...rest] = (await mint({}, inner)).chain
    expect(rest).toHaveLength(2)
    const sent = [leaf!, stranger.der, ...rest.toReversed(), authority.der, leaf!, rest[0]!]
    expect(verdict(sent, bundles)).toBe('accepted')
  })

  test('rule 31: an intermediate that was not sent is missed', async () => {
    const intermediate = await authority.mintCa()
    const [leaf] = (await mint({}, intermediate)).chain
    expect(verdict([leaf!, intermediate.der], bundles)).toBe('accepted')
    expect(verdict([leaf!], bundles)).toBe('no-path')
  })

  test('rule 31: of two authorities of one name without key identifiers, either may be the right one', async () => {
    const template = { subject: 'O=SPIFFE', ...NO_KEY_IDS }
    const [wrong, right] = [await anchorOf(template), await anchorOf(template)]
    const minted = await mint(NO_KEY_IDS, right)
    expect(verdict(minted, bundlesOf(wrong, right))).toBe('accepted')
    expect(verdict(minted, bundlesOf(right, wrong))).toBe('accepted')
    expect(verdict(minted, bundlesOf(wrong))).toBe('bad-signature')
  })

  test('rule 31: key identifiers are hints: wrong ones exclude nobody', async () => {
    const subject = 'O=SPIFFE'
    const [decoy, right] = [await anchorOf({ subject }), await anchorOf({ subject })]
    // The leaf names the key of the decoy, and is signed by the other.
    const lying = await mint(
      {
        authorityKeyIdentifier: false,
        extraExtensions: [keyIdentifierOf(decoy)],
      },
      right,
    )
    expect(verdict(lying, bundlesOf(decoy, right))).toBe('accepted')
  })

  test('rule 31: a decoy that fails two steps higher up does not end the search', async () => {
    const expired = await anchorOf({ subject: 'O=decoy root', ...PAST })
    const keyPair = await generateKeyPair('ec-p256')
    const upper = { subject: 'O=upper' }
    const lower = { subject: 'O=lower', keyPair }
    const decoy = await (await expired.mintCa(upper)).mintCa(lower)
    const real = await (await authority.mintCa(upper)).mintCa(lower)
    const [leaf] = (await mint({}, real)).chain
    const trusted = bundlesOf(expired, authority)
    expect(verdict([leaf!, ...decoy.chain, ...real.chain], trusted)).toBe('accepted')
    expect(verdict([leaf!, ...real.chain, ...decoy.chain], trusted)).toBe('accepted')
    // And the reason is that of the attempt that got furthest.
    expect(verdict([leaf!, ...decoy.chain], trusted)).toBe('expired')
  })

  test('rule 31: the reason is that of the attempt that got furthest, whichever came first', async () => {
    const template = { subject: 'O=SPIFFE', ...NO_KEY_IDS }
    const [expired, wrong] = [await anchorOf({ ...template, ...PAST }), await anchorOf(template)]
    const minted = await mint(NO_KEY_IDS, expired)
    expect(verdict(minted, bundlesOf(expired, wrong))).toBe('expired')
    expect(verdict(minted, bundlesOf(wrong, expired))).toBe('expired')
    expect(verdict(minted, bundlesOf(wrong))).toBe('bad-signature')
  })

  test('rule 31: a cross-signed intermediate leads to the authority that is trusted, both variants sent', async () => {
    const old = await anchorOf({ subject: 'O=old root' })
    const intermediate = await old.mintCa({ subject: 'O=intermediate' })
    const { subject, keyPair } = intermediate
    const cross = await authority.mintCa({ subject, keyPair })
    const [leaf] = (await mint({}, intermediate)).chain
    for (const sent of [
      [leaf!, intermediate.der, cross.der],
      [leaf!, cross.der, intermediate.der],
    ]) {
      expect(verdict(sent, bundles)).toBe('accepted')
      expect(verdict(sent, bundlesOf(old))).toBe('accepted')
    }
    expect(verdict([leaf!, intermediate.der], bundles)).toBe('no-path')
  })

  test('rule 31: CAs that sign each other in a circle end the search', async () => {
    const [one, other] = [
      await anchorOf({ subject: 'O=one' }),
      await anchorOf({ subject: 'O=other' }),
    ]
    const oneByOther = await other.mintCa({ subject: one.subject, keyPair: one.keyPair })
    const otherByOne = await one.mintCa({ subject: other.subject, keyPair: other.keyPair })
    const [leaf] = (await mint({}, one)).chain
    const circle = [leaf!, oneByOther.der, otherByOne.der]
    expect(verdict(circle, bundles)).toBe('no-path')
    expect(verdict(circle, bundlesOf(other))).toBe('accepted')
  })
})

describe('the budget', () => {
  let intermediate: MintedCa
  let lookAlikes: readonly Buffer[]

  beforeAll(async () => {
    intermediate = await authority.mintCa({ subject: 'O=intermediate' })
    const template = { subject: 'O=intermediate' }
    const cas = await Promise.all(Array.from({ length: 100 }, () => authority.mintCa(template)))
    lookAlikes = cas.map(({ der }) => der)
  }, 60_000)

  const roomy = { maxCertificates: 200, maxBytes: 1_000_000 }

  test('rule 31: no certificate is a refusal of its own', () => {
    expect(verdict([], bundles)).toBe('no-certificate')
  })

  test('rule 31: a hundred certificates are taken, and no more than the budget says', async () => {
    const chain = [...(await mint({}, intermediate)).chain]
    expect(verdict([...chain, ...lookAlikes], bundles)).toBe('accepted')
    const budget = { maxCertificates: 101 }
    expect(verdict([...chain, ...lookAlikes.slice(1)], bundles, { budget })).toBe('accepted')
    expect(verdict([...chain, ...lookAlikes], bundles, { budget })).toBe('too-many-certificates')
    expect(verdict(chain, bundles, { budget: { maxCertificates: 1 } })).toBe(
      'too-many-certificates',
    )
  })

  test('rule 31: more than 100 KiB of certificates are refused, or what the budget says', async () => {
    expect(verdict(await mint(paddedWith(100_000)), bundles)).toBe('accepted')
    expect(verdict(await mint(paddedWith(103_000)), bundles)).toBe('too-many-bytes')
    expect(verdict(await mint(paddedWith(2000)), bundles, { budget: { maxBytes: 2000 } })).toBe(
      'too-many-bytes',
    )
  })

  test('rule 31: a hundred look-alike CAs do not hide the right one that the key identifier names', async () => {
    const [leaf] = (await mint({}, intermediate)).chain
    const sent = [leaf!, ...lookAlikes, intermediate.der]
    expect(verdict(sent, bundles)).toBe('accepted')
    expect(verdict(sent, bundles, { budget: { maxSignatureChecks: 2 } })).toBe('accepted')
  })

  test('rule 31: a hundred look-alike CAs cost no more signature checks than the budget says', async () => {
    const [leaf] = (await mint({ authorityKeyIdentifier: false }, intermediate)).chain
    const sent = [leaf!, ...lookAlikes, intermediate.der]
    const enough = { ...roomy, maxSignatureChecks: 102 }
    expect(verdict(sent, bundles, { budget: enough })).toBe('accepted')
    const short = { ...roomy, maxSignatureChecks: 101 }
    expect(verdict(sent, bundles, { budget: short })).toBe('budget-exceeded')
  })

  test.each<[KeyType, number]>([
    ['ec-p256', 1],
    ['rsa-2048', 1],
    ['rsa-4096', 1],
    ['ed25519', 1],
    ['ec-p384', 9],
    ['ec-p521', 20],
  ])('rule 31: a check with a key of type %s counts as %d', async (keyType, checks) => {
    const anchor = await anchorOf({ keyPair: await keyPairOf(keyType) })
    const sent = await anchor.mint(WEB, { keyType: 'ec-p256' })
    const trusted = bundlesOf(anchor)
    const within = (maxSignatureChecks: number): string =>
      verdict(sent, trusted, { budget: { maxSignatureChecks } })
    expect(within(checks)).toBe('accepted')
    expect(within(checks - 1)).toBe('budget-exceeded')
  })

  test('rule 31: no signature is checked twice on the ways to one certificate', async () => {
    const named = { subject: 'O=decoys', ...NO_KEY_IDS }
    const trusted = bundlesOf(await anchorOf(named), await anchorOf(named), await anchorOf(named))
    const upper = await (await anchorOf(named)).mintCa()
    const lower = await upper.mintCa()
    const again = await upper.mintCa({ subject: lower.subject, keyPair: lower.keyPair })
    const [leaf] = (await mint({}, lower)).chain
    const sent = [leaf!, lower.der, again.der, upper.der]
    // One for the leaf, one for the lower ones, three for the decoys: five.
    expect(verdict(sent, trusted, { budget: { maxSignatureChecks: 5 } })).toBe('bad-signature')
    expect(verdict(sent, trusted, { budget: { maxSignatureChecks: 4 } })).toBe('budget-exceeded')
  })
})

describe('trust domains', () => {
  test("rule 32: the anchors are those of the peer's own trust domain", async () => {
    const other = await anchorOf({}, 'other.test')
    const trusted = bundlesOf(authority, other)
    expect(verdict(await authority.mint(WEB), trusted)).toBe('accepted')
    expect(verdict(await other.mint('spiffe://other.test/web'), trusted)).toBe('accepted')
    expect(verdict(await other.mint(WEB), trusted)).toBe('no-path')
    expect(verdict(await authority.mint('spiffe://other.test/web'), trusted)).toBe('no-path')
  })

  test('rule 32: an authority of another trust domain does not help, even when it is sent along', async () => {
    const named = await anchorOf({}, 'other.test')
    const [leafOfNamed] = (await named.mint(WEB)).chain
    expect(verdict([leafOfNamed!, named.der], bundlesOf(authority, named))).toBe(
      'issuer-id-foreign',
    )
    const unnamed = await anchorOf({ uris: [] }, 'other.test')
    const [leaf] = (await unnamed.mint(WEB)).chain
    expect(verdict([leaf!, unnamed.der], bundlesOf(authority, unnamed))).toBe('no-path')
  })

  test('rule 33: bundles are not merged when the CAs of two trust domains have one name', async () => {
    const subject = 'C=US,O=SPIFFE'
    const own = await anchorOf({ subject })
    const other = await anchorOf({ subject }, 'other.test')
    const trusted = bundlesOf(own, other)
    expect(verdict(await own.mint(WEB), trusted)).toBe('accepted')
    expect(verdict(await other.mint(WEB), trusted)).toBe('bad-signature')
    const intermediate = await other.mintCa({ subject, uris: [] })
    expect(verdict(await intermediate.mint(WEB), trusted)).toBe('bad-signature')
  })

  test.each([
    'stranger.test',
    'constructor',
    '__proto__',
    'tostring',
    'example.or',
    'a.example.org',
  ])('rule 34: without a bundle of %s its SVIDs are refused', async (name) => {
    const stranger = await anchorOf({}, name)
    const minted = await stranger.mint(`spiffe://${name}/web`)
    expect(verdict(minted, bundlesOf(stranger))).toBe('accepted')
    expect(verdict(minted, bundles)).toBe('unknown-trust-domain')
    expect(verdict(minted, BundleSet.empty)).toBe('unknown-trust-domain')
  })

  test('rule 35: an empty bundle refuses the SVIDs of its trust domain, and of no other', async () => {
    const other = await anchorOf({}, 'other.test')
    const empty = X509Bundle.of(TrustDomain.parse('other.test'), [])
    const minted = await other.mint('spiffe://other.test/web')
    expect(
      verdict(minted, bundles.with(X509Bundle.of(empty.trustDomain, [other.certificate]))),
    ).toBe('accepted')
    expect(verdict(minted, bundles.with(empty))).toBe('empty-bundle')
    expect(verdict(await mint(), bundles.with(empty))).toBe('accepted')
  })

  test('rule 36: limits come before reading, the SPIFFE ID before the bundle, the bundle before the leaf, the leaf before the path', async () => {
    const stranger = await anchorOf({}, 'stranger.test')
    const steps: readonly [RefusalCode, SvidTemplate][] = [
      ['malformed', { duplicateExtensions: ['2.5.29.19'], uris: [], ca: true, ...PAST }],
      ['no-uri-san', { uris: [], ca: true, ...PAST }],
      ['unknown-trust-domain', { uris: ['spiffe://unknown.test/a'], ca: true, ...PAST }],
      ['leaf-is-ca', { ca: true, ...PAST }],
      ['expired', PAST],
      ['no-path', {}],
    ]
    for (const [code, template] of steps) {
      const chain = (await mint(template, stranger)).chain
      expect(verdict(chain, bundles)).toBe(code)
      expect(verdict(chain, bundles, { budget: { maxCertificates: 0 } })).toBe(
        'too-many-certificates',
      )
    }
  })

  test('rule 36: a refusal names the SPIFFE ID as claimed, and only once it could be read', async () => {
    const claimed = verification(await mint(PAST), bundles)
    expect(claimed).toMatchObject({ ok: false, code: 'expired' })
    expect('claimedId' in claimed && String(claimed.claimedId)).toBe(WEB)
    expect(Object.isFrozen(claimed)).toBe(true)
    expect(verification(await mint({ uris: [] }), bundles)).not.toHaveProperty('claimedId')
  })
})

describe('anchors', () => {
  test('rule 37: an authority need not be self-signed', async () => {
    const root = await anchorOf({}, 'upstream.test')
    const anchor = await anchorOf({ signedBy: root })
    expect(verdict(await mint({}, anchor), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await mint({}, await anchor.mintCa()), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await mint({}, anchor), bundlesOf(root))).toBe('unknown-trust-domain')
  })

  test('rule 37: an authority that was sent along is still the one of the bundle', async () => {
    const chain = [...(await mint()).chain, authority.der]
    const outcome = verification(chain, bundles)
    expect(outcome.ok && outcome.svid.path).toHaveLength(2)
  })

  test('rule 37: a leaf is not trusted by standing in the bundle itself', async () => {
    const domain = TrustDomain.parse('example.org')
    for (const signedBy of ['self', await anchorOf()] as const) {
      const minted = await mint({ signedBy, subject: 'O=leaf' })
      const leaf = Certificate.fromDer(minted.chain[0]!)
      const holding = X509Bundle.of(domain, [authority.certificate, leaf])
      expect(verdict(minted, BundleSet.of(holding))).toBe('no-path')
      expect(verdict(await mint(), BundleSet.of(holding))).toBe('accepted')
    }
  })

  test('rule 38: a leaf without a SPIFFE ID is nobody, whatever its DNS and common names are', async () => {
    const names = { subject: 'CN=web.example.org', dnsNames: ['web.example.org'] }
    expect(verdict(await mint(names), bundles)).toBe('accepted')
    const outcome = verification(await mint({ ...names, uris: [] }), bundles)
    expect(outcome).toEqual({ ok: false, code: 'no-uri-san', message: expect.any(String) })
    const uri = verification(await mint({ ...names, uris: ['https://web.example.org'] }), bundles)
    expect(uri).toMatchObject({ ok: false, code: 'invalid-spiffe-id' })
  })
})

/** The AuthorityKeyIdentifier that a leaf of `ca` has. */
function keyIdentifierOf(ca: MintedCa): { oid: string; value: Buffer } {
  const keyId = Buffer.from(ca.certificate.extensions.subjectKeyId?.value ?? '', 'hex')
  const header = Buffer.from([0x30, keyId.length + 2, 0x80, keyId.length])
  return { oid: '2.5.29.35', value: Buffer.concat([header, keyId]) }
}

/** Loaded here alone: it needs Reflect's metadata first, and takes its time. */
async function importOracle(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata/lite')
  return import('@peculiar/x509')
}
