import type { KeyObject } from 'node:crypto'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import { contextTag, der, namedBits, SEQUENCE } from './der.ts'
import type { CertificateTemplate, KeyUsageBit, UriNameConstraints } from './template.ts'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  GeneralName,
  SubjectKeyIdentifierExtension,
} from './x509.ts'

const KEY_USAGE = '2.5.29.15'
const SUBJECT_ALT_NAME = '2.5.29.17'
const NAME_CONSTRAINTS = '2.5.29.30'

// GeneralName of RFC 5280 §4.2.1.6.
const DNS_NAME = contextTag(2, 'primitive')
const URI_NAME = contextTag(6, 'primitive')

// A certificate holds its key and two identifiers of keys, and an authority's key is in many.
const encodedKeys = new WeakMap<KeyObject, Buffer>()

// In the order of RFC 5280 §4.2.1.3.
const KEY_USAGE_BITS: readonly KeyUsageBit[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

/** The values of extensions that a template leaves out. */
export interface ExtensionDefaults {
  readonly uri: string
  readonly ca: boolean
  readonly subject: string
  readonly keyUsage: readonly KeyUsageBit[]
  readonly extendedKeyUsage: readonly string[] | 'absent'
}

/** Builds the extensions in the order in which SPIRE has them. */
export async function buildExtensions(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Promise<Extension[]> {
  const extensions = [
    keyUsage(template, defaults),
    extendedKeyUsage(template, defaults),
    basicConstraints(template, defaults),
    await subjectKeyIdentifier(template, publicKey),
    await authorityKeyIdentifier(template, publicKey, issuerKey),
    subjectAltName(template, defaults),
    nameConstraints(template.nameConstraints),
    ...(template.extraExtensions ?? []).map(
      ({ oid, critical = false, value }) => new Extension(oid, critical, value),
    ),
  ].filter((extension) => extension !== null)
  const repeated = new Set(template.duplicateExtensions)
  return [...extensions, ...extensions.filter(({ type }) => repeated.has(type))]
}

function keyUsage(template: CertificateTemplate, defaults: ExtensionDefaults): Extension | null {
  const bits = template.keyUsage ?? defaults.keyUsage
  if (bits === 'absent') return null
  const value = namedBits(bits.map(positionOf))
  return new Extension(KEY_USAGE, template.keyUsageCritical ?? true, value)
}

function positionOf(bit: KeyUsageBit): number {
  const position = KEY_USAGE_BITS.indexOf(bit)
  if (position === -1) throw new RangeError(`KeyUsage has no such bit (${describeValue(bit)})`)
  return position
}

function extendedKeyUsage(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
): Extension | null {
  const usages = template.extendedKeyUsage ?? defaults.extendedKeyUsage
  if (usages === 'absent') return null
  const names = new Map<string, string>(Object.entries(ExtendedKeyUsage))
  return new ExtendedKeyUsageExtension(usages.map((usage) => names.get(usage) ?? usage))
}

function basicConstraints(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
): Extension | null {
  const ca = template.ca ?? defaults.ca
  return ca === 'absent' ? null : new BasicConstraintsExtension(ca, template.pathLength, true)
}

async function subjectKeyIdentifier(
  template: CertificateTemplate,
  publicKey: KeyObject,
): Promise<Extension | null> {
  if (template.subjectKeyIdentifier === false) return null
  return SubjectKeyIdentifierExtension.create(spki(publicKey))
}

async function authorityKeyIdentifier(
  template: CertificateTemplate,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Promise<Extension | null> {
  // By octets: `KeyObject.equals` on keys of two kinds makes a later, unrelated call fail.
  const wanted = template.authorityKeyIdentifier ?? !spki(publicKey).equals(spki(issuerKey))
  return wanted ? AuthorityKeyIdentifierExtension.create(spki(issuerKey)) : null
}

// By hand: what a URI holds is written byte for byte, whatever it is.
function subjectAltName(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
): Extension | null {
  const names = [
    ...(template.dnsNames ?? []).map((name) => der(DNS_NAME, name)),
    ...(template.ipAddresses ?? []).map((address) =>
      Buffer.from(new GeneralName('ip', address).rawData),
    ),
    ...(template.uris ?? [defaults.uri]).map((uri) => der(URI_NAME, uri)),
  ]
  if (names.length === 0) return null
  // X509-SVID §2, RFC 5280 §4.1.2.6: with an empty subject the names are critical.
  const critical = template.sanCritical ?? defaults.subject === ''
  return new Extension(SUBJECT_ALT_NAME, critical, der(SEQUENCE, ...names))
}

// By hand: @peculiar/x509 has no class for it.
function nameConstraints(constraints: UriNameConstraints | undefined): Extension | null {
  if (constraints === undefined) return null
  const { permittedUris = [], excludedUris = [], critical = true } = constraints
  const value = der(SEQUENCE, ...subtrees(0, permittedUris), ...subtrees(1, excludedUris))
  return new Extension(NAME_CONSTRAINTS, critical, value)
}

function subtrees(number: number, uris: readonly string[]): Buffer[] {
  if (uris.length === 0) return []
  const trees = uris.map((uri) => der(SEQUENCE, der(URI_NAME, uri)))
  return [der(contextTag(number, 'constructed'), ...trees)]
}

export function spki(key: KeyObject): Buffer {
  const known = encodedKeys.get(key)
  if (known !== undefined) return known
  const encoded = key.export({ format: 'der', type: 'spki' })
  encodedKeys.set(key, encoded)
  return encoded
}
