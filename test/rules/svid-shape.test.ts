import { X509Certificate } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import type { CertificateTemplate, MintedCa, SvidTemplate } from '@fastify-spiffe/authority'
import { SpiffeError } from '@fastify-spiffe/spiffe'
import type { BundleSet, RefusalCode, X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'

import { bundlesOf, NOW, verdict } from '../support/verdict.ts'

const WEB = 'spiffe://example.org/web'
const OTHER_PURPOSE = '1.3.6.1.5.5.7.3.3'

let authority: MintedCa
let bundles: BundleSet

beforeAll(async () => {
  authority = await mintRootCa('example.org', {}, { clock: () => NOW })
  bundles = bundlesOf(authority)
})

const purposes = (value: string, critical: boolean): CertificateTemplate => ({
  extraExtensions: [{ oid: '2.5.29.37', critical, value: Buffer.from(value, 'hex') }],
})

/** A leaf of that shape is accepted from a peer, and taken as one's own. */
async function isGood(template: SvidTemplate, id = WEB): Promise<X509Svid> {
  const minted = await authority.mint(id, template)
  expect(verdict(minted, bundles)).toBe('accepted')
  return minted.toX509Svid({ clock: () => NOW })
}

/** A leaf of that shape is refused from a peer with `code`, and not taken as one's own. */
async function isBad(code: RefusalCode, template: SvidTemplate, id = WEB): Promise<void> {
  const minted = await authority.mint(id, template)
  expect(verdict(minted, bundles)).toBe(code)
  const ownCode = code === 'malformed' ? 'invalid-certificate' : 'invalid-svid'
  expect(() => minted.toX509Svid({ clock: () => NOW })).toThrow(
    expect.objectContaining({ name: SpiffeError.name, code: ownCode }),
  )
}

const constrained = (host: string): CertificateTemplate => ({
  nameConstraints: { permittedUris: [host] },
})

/** What a good leaf gets when an intermediate of that shape issued it. */
async function below(template: CertificateTemplate): Promise<RefusalCode | 'accepted'> {
  const intermediate = await authority.mintCa(template)
  return verdict(await intermediate.mint(WEB), bundles)
}

/** What a good leaf gets when an authority of that shape is in the bundle. */
async function belowAnchor(template: CertificateTemplate): Promise<RefusalCode | 'accepted'> {
  const anchor = await mintRootCa('example.org', template, { clock: () => NOW })
  return verdict(await anchor.mint(WEB), bundlesOf(anchor))
}

describe('the name', () => {
  test('rule 18: a leaf has exactly one URI SAN, whatever other names stand beside it', async () => {
    expect((await isGood({})).spiffeId.toString()).toBe(WEB)
    await isGood({ dnsNames: ['web.example.org'], ipAddresses: ['10.0.0.1'] })
    await isBad('no-uri-san', { uris: [] })
    await isBad('no-uri-san', { uris: [], dnsNames: ['web.example.org'] })
    await isBad('multiple-uri-sans', { uris: [WEB, 'spiffe://example.org/api'] })
    await isBad('multiple-uri-sans', { uris: [WEB, WEB] })
    await isBad('multiple-uri-sans', { uris: [WEB, 'https://example.org'] })
  })

  test('rule 18: a second SAN extension is not overlooked', async () => {
    await isGood({ duplicateExtensions: [] })
    await isBad('malformed', { duplicateExtensions: ['2.5.29.17'] })
  })

  test('rule 18: the URI is read octet for octet, not from text that a name can forge', async () => {
    await isBad('no-uri-san', { uris: [], dnsNames: [`a, URI:${WEB}`] })
    await isBad('invalid-spiffe-id', { uris: [`${WEB}, DNS:web.example.org`] })
  })

  test.each([
    'https://example.org/web',
    'SPIFFE://example.org/web',
    'spiffe://Example.org/web',
    'spiffe://example.org/a/../web',
    'spiffe://example.org/web/',
    'spiffe://example.org//web',
    'spiffe://example.org/we%62',
    'spiffe://example.org/web?',
    'spiffe://example.org/web#',
    'spiffe://example.org:8443/web',
    'spiffe://user@example.org/web',
    'spiffe:///web',
    'spiffe://example.org/web\n',
    'spiffe://example.org/web\u0000',
    '',
  ])('rule 19: the URI SAN is a valid SPIFFE ID, which %j is not', async (uri) => {
    await isGood({ uris: [WEB] })
    await isBad('invalid-spiffe-id', { uris: [uri] })
  })

  test("rule 20: a leaf's SPIFFE ID has a path", async () => {
    await isGood({}, 'spiffe://example.org/a')
    await isBad('root-id', {}, 'spiffe://example.org')
  })

  test('rule 21: the SAN is critical when the subject is empty', async () => {
    await isGood({ subject: '', sanCritical: true })
    await isGood({ subject: 'CN=web', sanCritical: false })
    await isBad('san-not-critical', { subject: '', sanCritical: false })
  })
})

describe('the leaf', () => {
  test('rule 22: a leaf is no CA; without BasicConstraints it is none either', async () => {
    await isGood({ ca: false })
    await isGood({ ca: 'absent' })
    await isBad('leaf-is-ca', { ca: true })
    await isBad('leaf-is-ca', { ca: true, keyUsage: ['keyCertSign', 'digitalSignature'] })
  })

  test('rule 22: a CA flag counts where node:crypto does not show it', async () => {
    const minted = await authority.mint(WEB, { ca: true, keyUsage: ['digitalSignature'] })
    expect(new X509Certificate(minted.chain[0]!).ca).toBe(false)
    expect(verdict(minted, bundles)).toBe('leaf-is-ca')
  })

  test('rule 23: KeyUsage is present and critical', async () => {
    await isGood({ keyUsage: ['digitalSignature'], keyUsageCritical: true })
    await isBad('key-usage-missing', { keyUsage: 'absent' })
    await isBad('key-usage-not-critical', { keyUsageCritical: false })
  })

  test('rule 24: a leaf sets digitalSignature, and may set what goes with key exchange', async () => {
    await isGood({ keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] })
    await isBad('no-digital-signature', { keyUsage: ['keyEncipherment', 'keyAgreement'] })
    await isBad('no-digital-signature', { keyUsage: [] })
  })

  test('rule 25: a leaf sets neither keyCertSign nor cRLSign', async () => {
    await isGood({ keyUsage: ['digitalSignature'] })
    await isBad('leaf-can-sign', { keyUsage: ['digitalSignature', 'keyCertSign'] })
    await isBad('leaf-can-sign', { keyUsage: ['digitalSignature', 'cRLSign'] })
  })

  test('rule 26: an extended key usage that is present has serverAuth and clientAuth', async () => {
    await isGood({ extendedKeyUsage: 'absent' })
    await isGood({ extendedKeyUsage: ['clientAuth', 'serverAuth'] })
    await isGood({ extendedKeyUsage: ['clientAuth', 'serverAuth', OTHER_PURPOSE] })
    await isBad('extended-key-usage', { extendedKeyUsage: ['serverAuth'] })
    await isBad('extended-key-usage', { extendedKeyUsage: ['clientAuth'] })
    await isBad('extended-key-usage', { extendedKeyUsage: [OTHER_PURPOSE] })
    await isBad('extended-key-usage', { extendedKeyUsage: ['2.5.29.37.0'] })
  })
})

describe('signing certificates', () => {
  test('rule 27: an intermediate is a CA that may sign certificates', async () => {
    expect(await below({})).toBe('accepted')
    expect(await below({ ca: false })).toBe('issuer-not-ca')
    expect(await below({ ca: 'absent' })).toBe('issuer-not-ca')
    expect(await below({ keyUsage: ['cRLSign', 'digitalSignature'] })).toBe('issuer-not-ca')
    expect(await below({ keyUsage: 'absent' })).toBe('issuer-not-ca')
  })

  test('rule 27: so is an authority in the bundle', async () => {
    expect(await belowAnchor({})).toBe('accepted')
    expect(await belowAnchor({ ca: false })).toBe('issuer-not-ca')
    expect(await belowAnchor({ keyUsage: ['cRLSign'] })).toBe('issuer-not-ca')
  })

  test('rule 27: so are the certificates that go along with the own SVID', async () => {
    const intermediate = await authority.mintCa()
    const good = await intermediate.mint(WEB)
    expect(good.toX509Svid({ clock: () => NOW }).certificates).toHaveLength(2)
    const neighbour = await authority.mint('spiffe://example.org/neighbour')
    const bad = await authority.mint(WEB, { chain: ([leaf]) => [leaf!, neighbour.chain[0]!] })
    expect(() => bad.toX509Svid({ clock: () => NOW })).toThrow(
      expect.objectContaining({ code: 'invalid-svid' }),
    )
  })

  test('rule 26: an extended key usage binds an issuer only when it is critical', async () => {
    const codeSigning = '300a06082b06010505070303'
    const any = '30060604551d2500'
    const both = '301406082b0601050507030106082b06010505070302'
    expect(await below(purposes(codeSigning, false))).toBe('accepted')
    expect(await below(purposes(codeSigning, true))).toBe('extended-key-usage')
    expect(await below(purposes(any, true))).toBe('accepted')
    expect(await below(purposes(both, true))).toBe('accepted')
  })

  test("rule 28: a signing certificate's SPIFFE ID has no path", async () => {
    expect(await below({ uris: ['spiffe://example.org'] })).toBe('accepted')
    expect(await below({ uris: ['spiffe://example.org/ca'] })).toBe('issuer-id-has-path')
    expect(await belowAnchor({ uris: ['spiffe://example.org/ca'] })).toBe('issuer-id-has-path')
  })

  test('rule 28: a signing certificate does not authenticate', async () => {
    const intermediate = await authority.mintCa({ uris: [WEB] })
    expect(verdict([intermediate.der], bundles)).toBe('leaf-is-ca')
    expect(verdict([authority.der], bundles)).toBe('leaf-is-ca')
    expect(verdict(await authority.mint(WEB), bundles)).toBe('accepted')
  })

  test('rule 29: the SPIFFE ID of an intermediate is optional, and what there is has to be one', async () => {
    expect(await below({ uris: [] })).toBe('accepted')
    expect(await below({ uris: ['https://ca.example.org/', 'http://crl.example.org'] })).toBe(
      'accepted',
    )
    expect(await below({ uris: ['spiffe://example.org'] })).toBe('accepted')
    expect(await below({ uris: ['spiffe://Example.org'] })).toBe('issuer-id-invalid')
    expect(await below({ uris: ['SPIFFE://example.org'] })).toBe('issuer-id-invalid')
    const two = ['spiffe://example.org', 'spiffe://other.test']
    expect(await below({ uris: two })).toBe('issuer-id-invalid')
  })

  test('rule 29: an intermediate of another trust domain is refused, also below a root that both share', async () => {
    expect(await below({ uris: ['spiffe://other.test'] })).toBe('issuer-id-foreign')
  })

  test('rule 29: what stands in the bundle is an authority of the trust domain, whatever its name', async () => {
    const anchor = await mintRootCa(
      'example.org',
      { uris: ['spiffe://other.test'] },
      { clock: () => NOW },
    )
    expect(verdict(await anchor.mint(WEB), bundlesOf(anchor))).toBe('accepted')
  })

  test('rule 30: a path length is honoured', async () => {
    const anchor = await mintRootCa('example.org', { pathLength: 1 }, { clock: () => NOW })
    const first = await anchor.mintCa({ pathLength: 0 })
    const second = await first.mintCa()
    const open = await (await anchor.mintCa()).mintCa()
    const trusted = bundlesOf(anchor)
    expect(verdict(await anchor.mint(WEB), trusted)).toBe('accepted')
    expect(verdict(await first.mint(WEB), trusted)).toBe('accepted')
    expect(verdict(await second.mint(WEB), trusted)).toBe('path-too-long')
    expect(verdict(await open.mint(WEB), trusted)).toBe('path-too-long')
  })

  test('rule 30: self-issued intermediates do not count for it', async () => {
    const subject = 'O=SPIFFE,CN=one name'
    const anchor = await mintRootCa('example.org', { subject, pathLength: 0 }, { clock: () => NOW })
    const renewed = await anchor.mintCa({ subject })
    const other = await anchor.mintCa({ subject: 'O=SPIFFE,CN=another name' })
    expect(verdict(await renewed.mint(WEB), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await other.mint(WEB), bundlesOf(anchor))).toBe('path-too-long')
  })

  test('rule 30: name constraints on URIs are honoured, critical or not', async () => {
    for (const critical of [true, false]) {
      const belowLists = (lists: object): Promise<RefusalCode | 'accepted'> =>
        below({ nameConstraints: { ...lists, critical } })
      expect(await belowLists({ permittedUris: ['example.org'] })).toBe('accepted')
      expect(await belowLists({ permittedUris: ['other.test'] })).toBe('name-constraints')
      expect(await belowLists({ permittedUris: ['.example.org'] })).toBe('name-constraints')
      expect(await belowLists({ excludedUris: ['example.org'] })).toBe('name-constraints')
      expect(await belowLists({ excludedUris: ['other.test'] })).toBe('accepted')
      expect(
        await belowLists({ permittedUris: ['example.org'], excludedUris: ['EXAMPLE.ORG'] }),
      ).toBe('name-constraints')
    }
  })

  test('rule 30: the name constraints of all issuers count, those of an authority too', async () => {
    const anchor = await mintRootCa('example.org', constrained('example.org'), {
      clock: () => NOW,
    })
    const same = await anchor.mintCa(constrained('example.org'))
    const wider = await anchor.mintCa({
      nameConstraints: { permittedUris: ['example.org', 'b.test'] },
    })
    const elsewhere = await anchor.mintCa(constrained('b.test'))
    expect(verdict(await same.mint(WEB), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await wider.mint(WEB), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await elsewhere.mint(WEB), bundlesOf(anchor))).toBe('name-constraints')
    expect(await belowAnchor(constrained('b.test'))).toBe('name-constraints')
  })

  test('rule 30: name constraints bind the names of an intermediate too', async () => {
    const anchor = await mintRootCa(
      'example.org',
      { nameConstraints: { permittedUris: ['example.org'] } },
      { clock: () => NOW },
    )
    const good = await anchor.mintCa({ uris: ['spiffe://example.org'] })
    const bad = await anchor.mintCa({ uris: ['https://b.test/'] })
    expect(verdict(await good.mint(WEB), bundlesOf(anchor))).toBe('accepted')
    expect(verdict(await bad.mint(WEB), bundlesOf(anchor))).toBe('name-constraints')
  })

  test('rule 30: name constraints on DNS names, addresses and subjects are honoured too', async () => {
    // dNSName "a.test"
    const dns = '8206612e74657374'
    expect(await under(dns, {})).toBe('accepted')
    expect(await under(dns, { dnsNames: ['web.a.test'] })).toBe('accepted')
    expect(await under(dns, { dnsNames: ['web.b.test'] })).toBe('name-constraints')
    // iPAddress 10.0.0.0/8
    const network = '87080a000000ff000000'
    expect(await under(network, { ipAddresses: ['10.1.2.3'] })).toBe('accepted')
    expect(await under(network, { ipAddresses: ['11.1.2.3'] })).toBe('name-constraints')
    // directoryName C=US
    const country = 'a40f300d310b3009060355040613025553'
    expect(await under(country, { subject: 'C=US,O=SPIRE' })).toBe('accepted')
    expect(await under(country, { subject: 'C=DE,O=SPIRE' })).toBe('name-constraints')
  })

  test('rule 30: name constraints of a kind that is not supported are refused when critical', async () => {
    // registeredID 1.2.3
    const identifier = '88022a03'
    expect(await below(constrainedBy(identifier, false))).toBe('accepted')
    expect(await below(constrainedBy(identifier, true))).toBe('name-constraints')
  })
})

/** What a leaf of that shape gets below an intermediate that permits one subtree, not critical. */
async function under(subtree: string, template: SvidTemplate): Promise<RefusalCode | 'accepted'> {
  const intermediate = await authority.mintCa(constrainedBy(subtree, false))
  return verdict(await intermediate.mint(WEB, template), bundles)
}

const wrap = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, content.length]), content])

/** permittedSubtrees of one base, DER in hexadecimal. */
function constrainedBy(base: string, critical: boolean): CertificateTemplate {
  const subtree = wrap(0x30, Buffer.from(base, 'hex'))
  const value = wrap(0x30, wrap(0xa0, subtree))
  return { extraExtensions: [{ oid: '2.5.29.30', critical, value }] }
}
