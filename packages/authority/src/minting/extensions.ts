import { createHash, type KeyObject } from 'node:crypto'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import {
  contextTag,
  der,
  integer,
  namedBits,
  objectIdentifier,
  OCTET_STRING,
  SEQUENCE,
  splitElement,
  TRUE,
} from './der.ts'
import type {
  CertificateTemplate,
  KeyUsageBit,
  RawExtension,
  UriNameConstraints,
} from './template.ts'

const SUBJECT_KEY_IDENTIFIER = '2.5.29.14'
const KEY_USAGE = '2.5.29.15'
const SUBJECT_ALT_NAME = '2.5.29.17'
const BASIC_CONSTRAINTS = '2.5.29.19'
const NAME_CONSTRAINTS = '2.5.29.30'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'
const EXTENDED_KEY_USAGE = '2.5.29.37'

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

const EXTENDED_KEY_USAGES: ReadonlyMap<string, string> = new Map([
  ['serverAuth', '1.3.6.1.5.5.7.3.1'],
  ['clientAuth', '1.3.6.1.5.5.7.3.2'],
  ['codeSigning', '1.3.6.1.5.5.7.3.3'],
  ['emailProtection', '1.3.6.1.5.5.7.3.4'],
  ['timeStamping', '1.3.6.1.5.5.7.3.8'],
  ['ocspSigning', '1.3.6.1.5.5.7.3.9'],
])

interface Extension {
  readonly oid: string
  readonly encoded: Buffer
}

/** The values of extensions that a template leaves out. */
export interface ExtensionDefaults {
  readonly uri: string
  readonly ca: boolean
  readonly subject: string
  readonly keyUsage: readonly KeyUsageBit[]
  readonly extendedKeyUsage: readonly string[] | 'absent'
}

/** Encodes the extensions in the order in which SPIRE has them. */
export async function buildExtensions(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Promise<Buffer[]> {
  const extensions = [
    keyUsage(template, defaults),
    extendedKeyUsage(template, defaults),
    basicConstraints(template, defaults),
    subjectKeyIdentifier(template, publicKey),
    authorityKeyIdentifier(template, publicKey, issuerKey),
    await subjectAltName(template, defaults),
    nameConstraints(template.nameConstraints),
    ...(template.extraExtensions ?? []).map(rawExtension),
  ].filter((extension) => extension !== null)
  const repeated = new Set(template.duplicateExtensions)
  const all = [...extensions, ...extensions.filter(({ oid }) => repeated.has(oid))]
  return all.map(({ encoded }) => encoded)
}

/** Encodes an extension of which the template has the DER. */
export function rawExtension({ oid, critical = false, value }: RawExtension): Extension {
  return encodeExtension(oid, critical, value)
}

function encodeExtension(oid: string, critical: boolean, value: Uint8Array): Extension {
  const content = [...(critical ? [TRUE] : []), der(OCTET_STRING, value)]
  return { oid, encoded: der(SEQUENCE, objectIdentifier(oid), ...content) }
}

function keyUsage(template: CertificateTemplate, defaults: ExtensionDefaults): Extension | null {
  const bits = template.keyUsage ?? defaults.keyUsage
  if (bits === 'absent') return null
  const value = namedBits(bits.map(positionOf))
  return encodeExtension(KEY_USAGE, template.keyUsageCritical ?? true, value)
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
  const purposes = usages.map((usage) => objectIdentifier(EXTENDED_KEY_USAGES.get(usage) ?? usage))
  return encodeExtension(EXTENDED_KEY_USAGE, false, der(SEQUENCE, ...purposes))
}

function basicConstraints(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
): Extension | null {
  const ca = template.ca ?? defaults.ca
  if (ca === 'absent') return null
  const { pathLength } = template
  const content = [
    ...(ca ? [TRUE] : []),
    ...(pathLength === undefined ? [] : [integer(pathLength)]),
  ]
  return encodeExtension(BASIC_CONSTRAINTS, true, der(SEQUENCE, ...content))
}

function subjectKeyIdentifier(
  template: CertificateTemplate,
  publicKey: KeyObject,
): Extension | null {
  if (template.subjectKeyIdentifier === false) return null
  return encodeExtension(SUBJECT_KEY_IDENTIFIER, false, der(OCTET_STRING, keyIdentifier(publicKey)))
}

function authorityKeyIdentifier(
  template: CertificateTemplate,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Extension | null {
  // By octets: `KeyObject.equals` on keys of two kinds makes a later, unrelated call fail.
  const wanted = template.authorityKeyIdentifier ?? !spki(publicKey).equals(spki(issuerKey))
  return wanted ? authorityKeyIdentifierOf(issuerKey) : null
}

/** Encodes the extension that names the key of the issuer. */
export function authorityKeyIdentifierOf(issuerKey: KeyObject): Extension {
  const value = der(SEQUENCE, der(contextTag(0, 'primitive'), keyIdentifier(issuerKey)))
  return encodeExtension(AUTHORITY_KEY_IDENTIFIER, false, value)
}

/** RFC 5280 §4.2.1.2: the SHA-1 of the octets of the public key. */
function keyIdentifier(key: KeyObject): Buffer {
  // SubjectPublicKeyInfo: a SEQUENCE of the algorithm, a SEQUENCE itself, and of the key, a BIT STRING.
  const [, info] = splitElement(spki(key))
  const [, , afterAlgorithm] = splitElement(info)
  const [, bits] = splitElement(afterAlgorithm)
  // The first octet counts unused bits.
  return createHash('sha1').update(bits.subarray(1)).digest()
}

// What a URI holds is written byte for byte, whatever it is.
async function subjectAltName(
  template: CertificateTemplate,
  defaults: ExtensionDefaults,
): Promise<Extension | null> {
  const names = [
    ...(template.dnsNames ?? []).map((name) => der(DNS_NAME, name)),
    ...(await encodeIpAddresses(template.ipAddresses)),
    ...(template.uris ?? [defaults.uri]).map((uri) => der(URI_NAME, uri)),
  ]
  if (names.length === 0) return null
  // X509-SVID §2, RFC 5280 §4.1.2.6: with an empty subject the names are critical.
  const critical = template.sanCritical ?? defaults.subject === ''
  return encodeExtension(SUBJECT_ALT_NAME, critical, der(SEQUENCE, ...names))
}

async function encodeIpAddresses(addresses: readonly string[] = []): Promise<Buffer[]> {
  if (addresses.length === 0) return []
  // It takes long to load.
  const { GeneralName } = await import('./x509.ts')
  return addresses.map((address) => Buffer.from(new GeneralName('ip', address).rawData))
}

function nameConstraints(constraints: UriNameConstraints | undefined): Extension | null {
  if (constraints === undefined) return null
  const { permittedUris = [], excludedUris = [], critical = true } = constraints
  const value = der(SEQUENCE, ...subtrees(0, permittedUris), ...subtrees(1, excludedUris))
  return encodeExtension(NAME_CONSTRAINTS, critical, value)
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
