import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { X509Certificate } from 'node:crypto'
import {
  Authority,
  mintRootCa,
  type MintedCa,
  type MintedCertificate,
} from '@fastify-spiffe/authority'
import { Bundle, BundleSet, stringifyBundleMap, TrustDomain } from '@fastify-spiffe/spiffe'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Folder, WEB } from '../files.test.helper.ts'
import type { FileSourceOptions } from '../options/options.ts'
import { readOptions } from '../options/settings.ts'
import { Contents } from '../reading/contents.ts'
import { filesOf } from '../reading/file-set.ts'
import { parseMaterial, type Material } from './parse-material.ts'
import type { Bundles } from './collect.ts'

const own = TrustDomain.parse('example.org')
const partner = TrustDomain.parse('partner.test')
const NONE: Bundles = { x509: BundleSet.empty, jwt: BundleSet.of() }

let authority: MintedCa
let web: MintedCertificate
let ownBundle: Bundle
let partnerBundle: Bundle
let folder: Folder

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  web = await authority.mint(WEB)
  await using ownAuthority = await Authority.create({ trustDomain: 'example.org' })
  await using other = await Authority.create({ trustDomain: 'partner.test' })
  ownBundle = Bundle.of(own, { x509: ownAuthority.bundle, jwt: ownAuthority.jwt.bundle })
  partnerBundle = Bundle.of(partner, { x509: other.bundle, jwt: other.jwt.bundle })
})

beforeEach(async () => {
  folder = await Folder.make()
  await folder.put('svid.pem', web.certificatesPem)
  await folder.put('svid_key.pem', web.privateKeyPem)
  await folder.put('svid_bundle.pem', authority.certificatePem)
})

afterEach(() => folder[Symbol.asyncDispose]())

function hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Reads the material whose bundle has to have that digest. */
function expecting(each: string | string[]): Promise<Material> {
  return material({ expectedSha256: { 'svid_bundle.pem': each } })
}

/** A manifest as `sha256sum` writes it. */
function manifestOf(): string {
  return [
    `${hex(web.certificatesPem)}  svid.pem`,
    `${hex(web.privateKeyPem)} *svid_key.pem`,
    `${hex(authority.certificatePem)}  svid_bundle.pem`,
    '',
  ].join('\n')
}

/** Reads the files that the options name. */
async function material(options: FileSourceOptions = {}, held: Bundles = NONE): Promise<Material> {
  const { files, rules } = readOptions({ ...folder.options, ...options })
  return parseMaterial(files, await Contents.read(filesOf(files), rules), held)
}

/** How many authorities of each kind there are for a trust domain. */
function counts(
  { bundles: { x509, jwt } }: Material,
  trustDomain: TrustDomain,
): readonly unknown[] {
  return [x509.get(trustDomain)?.authorities.length, jwt.get(trustDomain)?.authorities.length]
}

describe('the SVID', () => {
  test.each([
    'DER',
    'PEM with a text before it',
    'PEM with line ends of Windows',
    'PEM and the key in one file',
  ])('may be %s', async (form) => {
    const { certificatesPem, privateKeyPem } = web
    const both = certificatesPem + privateKeyPem
    if (form === 'DER') {
      await folder.put('svid.pem', web.certificates)
      await folder.put('svid_key.pem', web.privateKey)
      await folder.put('svid_bundle.pem', authority.der)
    } else if (form.includes('text'))
      await folder.put('svid.pem', `0: the leaf\n${certificatesPem}`)
    else if (form.includes('Windows')) {
      await folder.put('svid.pem', certificatesPem.replaceAll('\n', '\r\n'))
    } else await folder.put('svid.pem', both)
    const options = form.includes('one file') ? { key: 'svid.pem' } : {}
    const { svid, bundles } = await material(options)
    expect(svid.spiffeId.toString()).toBe(WEB)
    expect(svid.leaf.fingerprint256).toBe(new X509Certificate(web.certificates).fingerprint256)
    expect(bundles.x509.get(own)?.authorities).toHaveLength(1)
  })

  test('and its key are erased from the memory that they were read to', async () => {
    const { files, rules } = readOptions(folder.options)
    const contents = await Contents.read(filesOf(files), rules)
    const key = contents.get(files.key)
    expect(key.includes('PRIVATE KEY')).toBe(true)
    contents.erase()
    expect(key.every((octet) => octet === 0)).toBe(true)
  })

  test('with a file that holds the key as well is private in that file too', async () => {
    await folder.put('svid.pem', web.certificatesPem + web.privateKeyPem, 0o644)
    await expect(material({ key: 'svid.pem' })).rejects.toMatchObject({ code: 'key-exposed' })
  })

  test('with an encrypted key is refused by the code of the key', async () => {
    const key = createPrivateKey(web.privateKeyPem)
    const options = {
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    } as const
    await folder.put('svid_key.pem', String(key.export(options)))
    await expect(material()).rejects.toMatchObject({ code: 'invalid-key' })
  })
})

describe('bundles', () => {
  test('may be a SPIFFE bundle, which has JWT authorities as well', async () => {
    await folder.put('bundle.json', ownBundle.stringify())
    expect(counts(await material({ bundle: 'bundle.json' }), own)).toEqual([1, 1])
  })

  test('may be a Bundle Map, which has those of other trust domains', async () => {
    await folder.put('map.json', stringifyBundleMap(BundleSet.of(ownBundle, partnerBundle)))
    const read = await material({ bundle: 'map.json' })
    expect([counts(read, own), counts(read, partner)]).toEqual([
      [1, 1],
      [1, 1],
    ])
  })

  test('may be given by trust domain, in PEM, DER and JSON', async () => {
    await folder.put('partner.der', partnerBundle.x509.authorities[0]!.raw)
    const bundles = { 'example.org': 'svid_bundle.pem', 'partner.test': 'partner.der' }
    const read = await material({ bundles })
    expect([counts(read, own), counts(read, partner)]).toEqual([
      [1, undefined],
      [1, undefined],
    ])
  })

  test('of one trust domain may be in parts: PEM for X.509, a key set for JWT', async () => {
    await folder.put('jwt.json', Bundle.of(own, { jwt: ownBundle.jwt }).stringify())
    for (const bundle of [
      ['svid_bundle.pem', 'jwt.json'],
      ['jwt.json', 'svid_bundle.pem'],
    ]) {
      expect(counts(await material({ bundle }), own)).toEqual([1, 1])
    }
  })

  test('of one trust domain that differ are refused, and equal ones are not', async () => {
    await folder.put('other.json', ownBundle.stringify())
    await folder.put('same.pem', authority.certificatePem)
    await expect(material({ bundle: ['svid_bundle.pem', 'other.json'] })).rejects.toMatchObject({
      code: 'conflicting-bundles',
    })
    expect(counts(await material({ bundle: ['svid_bundle.pem', 'same.pem'] }), own)[0]).toBe(1)
  })

  test.each([
    ['a Bundle Map for one trust domain', () => stringifyBundleMap(BundleSet.of(ownBundle))],
    ['what is a key set and a Bundle Map at once', () => '{"keys":[],"trust_domains":{}}'],
    ['JSON that ends early', () => ownBundle.stringify().slice(0, -1)],
    ['a list', () => '[]'],
    ['nothing', () => ''],
  ])('that are %s are refused', async (_what, text) => {
    await folder.put('bundle.json', text())
    const bundles = { 'example.org': 'bundle.json' }
    await expect(material({ bundles })).rejects.toMatchObject({ code: 'invalid-bundle' })
  })

  test('of another trust domain that are bad leave what is held in use, if something is', async () => {
    await folder.put('partner.pem', 'no bundle')
    const bundles = { 'example.org': 'svid_bundle.pem', 'partner.test': 'partner.pem' }
    await expect(material({ bundles })).rejects.toMatchObject({ code: 'invalid-bundle' })
    const held = { x509: BundleSet.of(partnerBundle.x509), jwt: BundleSet.of(partnerBundle.jwt) }
    const read = await material({ bundles }, held)
    expect(read.problems).toMatchObject([{ code: 'invalid-bundle' }])
    expect(read.bundles.x509.get(partner)).toBe(partnerBundle.x509)
  })
})

describe('digests', () => {
  test('that are expected have to be those of the files', async () => {
    const good = hex(authority.certificatePem)
    const bad = hex('something else')
    expect((await expecting(good)).svid.spiffeId.toString()).toBe(WEB)
    expect((await expecting([bad, good.toUpperCase()])).svid.spiffeId.toString()).toBe(WEB)
    await expect(expecting(bad)).rejects.toMatchObject({ code: 'checksum-mismatch' })
  })

  test('of a manifest have to be those of all files', async () => {
    await folder.put('SHA256SUMS', manifestOf())
    const manifest = { file: 'SHA256SUMS' }
    expect((await material({ manifest })).svid.spiffeId.toString()).toBe(WEB)
    await folder.put('svid_bundle.pem', authority.certificatePem + authority.certificatePem)
    await expect(material({ manifest })).rejects.toMatchObject({ code: 'checksum-mismatch' })
  })

  test.each([
    ['does not name a file', (text: string) => text.split('\n').slice(1).join('\n')],
    ['names a file twice', (text: string) => `${text}${'0'.repeat(64)}  ./svid.pem\n`],
    ['is cut off', (text: string) => text.slice(0, -1)],
    ['has a comment', (text: string) => `# made today\n${text}`],
    ['has a short digest', (text: string) => text.slice(1)],
    ['is empty', () => ''],
  ])('of a manifest that %s count for nothing', async (_fault, spoil) => {
    await folder.put('SHA256SUMS', spoil(manifestOf()))
    const reading = material({ manifest: { file: 'SHA256SUMS' } })
    await expect(reading).rejects.toMatchObject({ code: 'invalid-manifest' })
  })

  test.each(['ed25519', 'ec'] as const)(
    'of a manifest count when the key of type %s has signed it',
    async (type) => {
      const pair =
        type === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('ed25519')
      const publicKey = String(pair.publicKey.export({ type: 'spki', format: 'pem' }))
      const text = Buffer.from(manifestOf())
      const signature = sign(type === 'ec' ? 'sha256' : null, text, pair.privateKey)
      await folder.put('SHA256SUMS', text)
      await folder.put('SHA256SUMS.sig', signature)
      const manifest = { file: 'SHA256SUMS', publicKey }
      expect((await material({ manifest })).svid.spiffeId.toString()).toBe(WEB)
      await folder.put(
        'SHA256SUMS.sig',
        signature.map((octet, index) => (index === 20 ? octet ^ 1 : octet)),
      )
      await expect(material({ manifest })).rejects.toMatchObject({ code: 'invalid-manifest' })
    },
  )
})
