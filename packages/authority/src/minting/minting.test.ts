import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  BundleSet,
  Certificate,
  verifyX509Svid,
  X509Bundle,
  type RefusalCode,
} from '@fastify-spiffe/spiffe'
import { der, SEQUENCE } from './der.ts'
import { generateKeyPair, type KeyType } from './key-pair.ts'
import { mintRootCa } from './mint-root-ca.ts'
import type { MintedCa } from './minted-ca.ts'
import type { MintedCertificate } from './minted-certificate.ts'
import type { CertificateTemplate, KeyUsageBit, SvidTemplate } from './template.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const clock = (): number => NOW
const WEB = 'spiffe://example.org/web'

let root: MintedCa

beforeAll(async () => {
  root = await mintRootCa('example.org', {}, { clock })
})

function verdict(minted: MintedCertificate, anchor: MintedCa = root): RefusalCode | 'ok' {
  const chain = minted.chain.map((certificate) => new X509Certificate(certificate))
  const bundles = BundleSet.of(X509Bundle.of(anchor.trustDomain, [anchor.certificate]))
  const verification = verifyX509Svid(chain, bundles, { clock })
  return verification.ok ? 'ok' : verification.code
}

function leafOf(minted: MintedCertificate): Certificate {
  return Certificate.fromDer(minted.chain[0]!)
}

async function mintBelow(template: CertificateTemplate): Promise<MintedCertificate> {
  const intermediate = await root.mintCa(template)
  return intermediate.mint(WEB)
}

describe('a certificate without a template', () => {
  test('is a leaf as SPIRE issues it', async () => {
    const minted = await root.mint(WEB)
    const leaf = leafOf(minted)
    const { extensions } = leaf
    expect(verdict(minted)).toBe('ok')
    expect(extensions.subjectAltName).toMatchObject({ critical: false, value: { uris: [WEB] } })
    expect(extensions.keyUsage).toEqual({
      critical: true,
      value: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
    })
    expect(extensions.extendedKeyUsage).toEqual({
      critical: false,
      value: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
    })
    expect(extensions.basicConstraints?.value.isCa).toBe(false)
    expect(extensions.authorityKeyId?.value).toBe(root.certificate.extensions.subjectKeyId?.value)
    expect(leaf.x509.subject).toBe('C=US\nO=SPIRE')
    expect([leaf.notBefore, leaf.notAfter]).toEqual([NOW - 10_000, NOW + 3_600_000])
  })

  test('is an authority as SPIRE has it', () => {
    const { certificate } = root
    const { extensions } = certificate
    expect(extensions.subjectAltName?.value.uris).toEqual(['spiffe://example.org'])
    expect(extensions.keyUsage).toEqual({ critical: true, value: ['keyCertSign', 'cRLSign'] })
    expect(extensions.basicConstraints).toEqual({
      critical: true,
      value: { isCa: true, pathLength: undefined },
    })
    expect(certificate.x509.verify(certificate.x509.publicKey)).toBe(true)
    expect(certificate.notAfter).toBe(NOW + 86_400_000)
  })

  test('comes with its key, as PKCS#8 in DER and in PEM', async () => {
    const minted = await root.mint(WEB)
    const key = createPrivateKey({ key: minted.privateKey, format: 'der', type: 'pkcs8' })
    expect(leafOf(minted).x509.checkPrivateKey(key)).toBe(true)
    expect(createPrivateKey(minted.privateKeyPem).equals(key)).toBe(true)
    expect(minted.toX509Svid({ clock }).spiffeId.toString()).toBe(WEB)
    expect(new X509Certificate(minted.certificatesPem).raw).toEqual(minted.chain[0])
  })

  test('has a serial number of its own', async () => {
    const [first, second] = await Promise.all([root.mint(WEB), root.mint(WEB)])
    expect(leafOf(first).serialNumber).not.toBe(leafOf(second).serialNumber)
  })
})

describe('a bad SVID', () => {
  const cases: readonly [string, SvidTemplate, RefusalCode][] = [
    ['that has expired', { notAfter: NOW - 1000 }, 'expired'],
    ['that is not valid yet', { notBefore: NOW + 1000 }, 'not-yet-valid'],
    ['without a URI', { uris: [] }, 'no-uri-san'],
    ['with DNS names only', { uris: [], dnsNames: ['web.example.org'] }, 'no-uri-san'],
    ['with two URIs', { uris: [WEB, 'spiffe://example.org/b'] }, 'multiple-uri-sans'],
    ['with a URI that is no SPIFFE ID', { uris: ['https://example.org/'] }, 'invalid-spiffe-id'],
    ['with a URI of any text', { uris: ['spiffe://example.org/a b'] }, 'invalid-spiffe-id'],
    ['with a URI beyond ASCII', { uris: ['spiffe://example.org/\u00e9'] }, 'malformed'],
    ['with the ID of a trust domain', { uris: ['spiffe://example.org'] }, 'root-id'],
    ['of another trust domain', { uris: ['spiffe://b.test/web'] }, 'unknown-trust-domain'],
    ['that is a CA', { ca: true }, 'leaf-is-ca'],
    ['without KeyUsage', { keyUsage: 'absent' }, 'key-usage-missing'],
    ['with a KeyUsage that is not critical', { keyUsageCritical: false }, 'key-usage-not-critical'],
    ['that may not sign', { keyUsage: ['keyAgreement', 'decipherOnly'] }, 'no-digital-signature'],
    [
      'that may sign certificates',
      { keyUsage: ['digitalSignature', 'keyCertSign'] },
      'leaf-can-sign',
    ],
    ['for servers only', { extendedKeyUsage: ['serverAuth'] }, 'extended-key-usage'],
    ['for something else', { extendedKeyUsage: ['1.2.3.4'] }, 'extended-key-usage'],
    [
      'with names that are not critical beside an empty subject',
      { subject: '', sanCritical: false },
      'san-not-critical',
    ],
    [
      'with a critical extension that nobody knows',
      { extraExtensions: [{ oid: '1.2.3.4', critical: true, value: Buffer.from([5, 0]) }] },
      'unknown-critical-extension',
    ],
    ['with an extension twice', { duplicateExtensions: ['2.5.29.15'] }, 'malformed'],
    ['signed with SHA-1', { hash: 'SHA-1' }, 'weak-signature'],
    ['with a key of 1024 bits', { keyType: 'rsa-1024' }, 'weak-key'],
    ['with a spoilt signature', { corruptSignature: true }, 'bad-signature'],
    ['that signs itself', { signedBy: 'self' }, 'no-path'],
    ['that names another issuer', { issuer: 'CN=another' }, 'no-path'],
  ]

  test.each(cases)('%s is minted, and refused', async (_, template, code) => {
    expect(verdict(await root.mint(WEB, template))).toBe(code)
  })

  test('comes with a key that is not its own', async () => {
    const minted = await root.mint(WEB, { mismatchedKey: true })
    const key = createPrivateKey({ key: minted.privateKey, format: 'der', type: 'pkcs8' })
    expect(verdict(minted)).toBe('ok')
    expect(leafOf(minted).x509.checkPrivateKey(key)).toBe(false)
    expect(() => minted.toX509Svid({ clock })).toThrow(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
  })

  test('is signed by the CA of another trust domain', async () => {
    const foreign = await mintRootCa('b.test', {}, { clock })
    expect(verdict(await root.mint(WEB, { signedBy: foreign }))).toBe('no-path')
  })

  test('is signed by an impostor with the name of the CA', async () => {
    const impostor = await mintRootCa('example.org', { subject: root.subject }, { clock })
    expect(impostor.certificate.subject.key).toBe(root.certificate.subject.key)
    expect(verdict(await impostor.mint(WEB))).toBe('bad-signature')
  })
})

describe('a good SVID', () => {
  const cases: readonly [string, SvidTemplate][] = [
    ['with an empty subject and critical names', { subject: '' }],
    ['with DNS names and IP addresses', { dnsNames: ['a.test'], ipAddresses: ['::1', '10.0.0.1'] }],
    ['without BasicConstraints', { ca: 'absent' }],
    ['without extended key usage', { extendedKeyUsage: 'absent' }],
    ['without key identifiers', { subjectKeyIdentifier: false, authorityKeyIdentifier: false }],
    ['with another extension', { extraExtensions: [{ oid: '1.2.3.4', value: Buffer.of(5, 0) }] }],
  ]

  test.each(cases)('%s verifies', async (_, template) => {
    expect(verdict(await root.mint(WEB, template))).toBe('ok')
  })

  const keyTypes: readonly KeyType[] = ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519']

  test.each(keyTypes)('below an authority with a key of type %s verifies', async (keyType) => {
    const authority = await mintRootCa('example.org', { keyType }, { clock })
    const minted = await authority.mint(WEB)
    const [leafKey, authorityKey] = [leafOf(minted), authority.certificate].map(
      ({ x509 }) => x509.publicKey.asymmetricKeyType,
    )
    expect(verdict(minted, authority)).toBe('ok')
    expect(leafKey).toBe(authorityKey)
  })

  test('has a key of another kind than the CA that signs it', async () => {
    const intermediate = await root.mintCa({ keyType: 'rsa-2048' })
    const minted = await intermediate.mint(WEB, { keyType: 'ec-p256' })
    expect(verdict(minted)).toBe('ok')
  })

  test('shows the configured parts', async () => {
    const minted = await root.mint(WEB, {
      serialNumber: '0abcdef0',
      dnsNames: ['a.test'],
      ipAddresses: ['10.0.0.1'],
      subject: 'C=DE,O=Acme,CN=web',
    })
    const { x509, serialNumber } = leafOf(minted)
    expect(serialNumber).toBe('0abcdef0')
    expect(x509.subject).toBe('C=DE\nO=Acme\nCN=web')
    expect(x509.subjectAltName).toBe(`DNS:a.test, IP Address:10.0.0.1, URI:${WEB}`)
  })

  test('certifies a key that is given', async () => {
    const keyPair = await generateKeyPair('ec-p256')
    const [first, second] = [await root.mint(WEB, { keyPair }), await root.mint(WEB, { keyPair })]
    expect(first.privateKey).toEqual(second.privateKey)
    expect(leafOf(second).x509.publicKey.equals(createPublicKey(first.privateKeyPem))).toBe(true)
  })
})

describe('a chain', () => {
  test('of two intermediates is sent along, nearest first, without the anchor', async () => {
    const upper = await root.mintCa()
    const lower = await upper.mintCa()
    const minted = await lower.mint(WEB)
    expect(minted.chain.slice(1)).toEqual([lower.der, upper.der])
    expect(Buffer.concat(minted.chain)).toEqual(minted.certificates)
    expect(verdict(minted)).toBe('ok')
  })

  test('is cut, reordered and lengthened at will', async () => {
    const lower = await (await root.mintCa()).mintCa()
    const stranger = await mintRootCa('b.test', {}, { clock })
    const cut = await lower.mint(WEB, { chain: ([leaf]) => [leaf!] })
    const shuffled = await lower.mint(WEB, {
      chain: ([leaf, ...others]) => [leaf!, ...others.toReversed(), stranger.der],
    })
    expect(verdict(cut)).toBe('no-path')
    expect(shuffled.chain).toHaveLength(4)
    expect(verdict(shuffled)).toBe('ok')
  })

  const cases: readonly [string, CertificateTemplate, RefusalCode][] = [
    ['that is no CA', { ca: false }, 'issuer-not-ca'],
    ['that may not sign certificates', { keyUsage: ['cRLSign'] }, 'issuer-not-ca'],
    ['that has expired', { notAfter: NOW - 1000 }, 'expired'],
    ['whose SPIFFE ID has a path', { uris: ['spiffe://example.org/ca'] }, 'issuer-id-has-path'],
    ['with a spoilt signature', { corruptSignature: true }, 'bad-signature'],
    [
      'whose names exclude the leaf',
      { nameConstraints: { excludedUris: ['example.org'] } },
      'name-constraints',
    ],
    [
      'whose names do not permit the leaf',
      { nameConstraints: { permittedUris: ['b.test', '.example.org'] } },
      'name-constraints',
    ],
  ]

  test.each(cases)(
    'through an intermediate %s is minted, and refused',
    async (_, template, code) => {
      expect(verdict(await mintBelow(template))).toBe(code)
    },
  )

  test('through an intermediate whose names permit the leaf verifies', async () => {
    const nameConstraints = { permittedUris: ['example.org'] }
    expect(verdict(await mintBelow({ nameConstraints }))).toBe('ok')
  })

  test('that is longer than its path length is minted, and refused', async () => {
    const upper = await root.mintCa({ pathLength: 0 })
    expect(verdict(await upper.mint(WEB))).toBe('ok')
    expect(verdict(await (await upper.mintCa()).mint(WEB))).toBe('path-too-long')
  })

  test('ends in an anchor that is not self-signed', async () => {
    const anchor = await mintRootCa('example.org', { signedBy: root }, { clock })
    const { x509 } = anchor.certificate
    const minted = await anchor.mint(WEB)
    expect(x509.verify(x509.publicKey)).toBe(false)
    expect(x509.verify(root.keyPair.publicKey)).toBe(true)
    expect(minted.chain).toHaveLength(1)
    expect(verdict(minted, anchor)).toBe('ok')
  })

  test('is cross-signed', async () => {
    const other = await mintRootCa('example.org', {}, { clock })
    const { keyPair, subject } = other
    const cross = await root.mintCa({ keyPair, subject })
    const minted = await other.mint(WEB, { chain: (chain) => [...chain, cross.der] })
    expect(verdict(minted, other)).toBe('ok')
    expect(verdict(minted, root)).toBe('ok')
  })
})

test('what cannot be encoded says so with the code unmintable', async () => {
  await expect(root.mint(WEB, { notAfter: NaN })).rejects.toMatchObject({ code: 'unmintable' })
  const keyUsage: readonly KeyUsageBit[] = JSON.parse('["keySigning"]')
  await expect(root.mint(WEB, { keyUsage })).rejects.toMatchObject({ code: 'unmintable' })
  await expect(root.mint(WEB, { ipAddresses: ['not one'] })).rejects.toMatchObject({
    code: 'unmintable',
  })
})

test('a misspelt template says so, for it would make a good certificate of a bad one', async () => {
  const misspelt = { uris: [], notafter: 0 }
  const ofSvids = { uris: [], mismatchedKey: true }
  await expect(root.mint(WEB, misspelt)).rejects.toMatchObject({
    code: 'unknown-option',
  })
  await expect(root.mintCa(ofSvids)).rejects.toMatchObject({ code: 'unknown-option' })
})

test('DER lengths of every form are encoded', () => {
  const lengths = [0, 127, 128, 255, 256, 70_000].map((size) =>
    der(SEQUENCE, Buffer.alloc(size))
      .subarray(1, -size || undefined)
      .toString('hex'),
  )
  expect(lengths).toEqual(['00', '7f', '8180', '81ff', '820100', '83011170'])
})

describe('a private key', () => {
  test('shows neither in inspect nor in JSON', async () => {
    const minted = await root.mint(WEB)
    const secret = minted.privateKey
    for (const thing of [minted, minted.keyPair, root, { root, list: [minted] }]) {
      const shown = inspect(thing, { depth: Infinity, showHidden: true }) + JSON.stringify(thing)
      expect(shown).not.toMatch(/PRIVATE KEY/)
      expect(shown).not.toContain(secret.toString('base64').slice(-40))
      expect(shown).not.toContain(secret.toString('hex').slice(-40))
      expect(shown).not.toContain(Array.from(secret.subarray(-16)).join(','))
    }
  })
})
