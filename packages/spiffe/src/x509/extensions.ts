import { readObjectIdentifier } from '../der/object-identifier.ts'
import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { readCount, readFlag, readWhole } from '../der/values.ts'
import { hexadecimal } from './bytes.ts'
import {
  readCertificatePolicies,
  readInhibitAnyPolicy,
  readPolicyConstraints,
  readPolicyMappings,
  type PolicyConstraints,
  type PolicyMapping,
} from './certificate-policies.ts'
import { readExtensionList } from './extension-list.ts'
import { readSubjectName, type GeneralName } from './general-name.ts'
import { readKeyUsage, type KeyUsagePurpose } from './key-usage.ts'
import { readNameConstraints, type NameConstraints } from './name-constraints.ts'

/** The extension's own value, and whether the certificate marks it critical. */
export interface Extension<T> {
  readonly critical: boolean
  readonly value: T
}

/** Whether a certificate is a CA, and how many intermediates may follow it (RFC 5280 §4.2.1.9). */
export interface BasicConstraints {
  readonly isCa: boolean
  /** How many intermediates may follow, 2^53 - 1 for more than that; `undefined` when any number may. */
  readonly pathLength: number | undefined
}

export interface SubjectAltName {
  /** The URIs, octet for octet. */
  readonly uris: readonly string[]
  /** All names, the URIs among them. */
  readonly names: readonly GeneralName[]
}

/** The extensions that path validation reads. One that the certificate does not have is absent. */
export interface Extensions {
  readonly basicConstraints?: Extension<BasicConstraints>
  readonly keyUsage?: Extension<readonly KeyUsagePurpose[]>
  /** Object identifiers, dotted. */
  readonly extendedKeyUsage?: Extension<readonly string[]>
  readonly subjectAltName?: Extension<SubjectAltName>
  readonly nameConstraints?: Extension<NameConstraints>
  /** Object identifiers, dotted. */
  readonly certificatePolicies?: Extension<readonly string[]>
  readonly policyMappings?: Extension<readonly PolicyMapping[]>
  readonly policyConstraints?: Extension<PolicyConstraints>
  /** How many more certificates may follow before anyPolicy counts no more. */
  readonly inhibitAnyPolicy?: Extension<number>
  /** Hexadecimal. */
  readonly subjectKeyId?: Extension<string>
  /** Hexadecimal; `undefined` when the extension names the issuer in another way. */
  readonly authorityKeyId?: Extension<string | undefined>
  /** The object identifiers of critical extensions that are not among the above. */
  readonly unknownCritical: readonly string[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Puts what an extension says in its place. */
type ExtensionReader = (into: Mutable<Extensions>, critical: boolean, value: Uint8Array) => void

/** The extensions that are known, by their object identifiers. */
const READERS: ReadonlyMap<string, ExtensionReader> = new Map<string, ExtensionReader>([
  ['2.5.29.14', (into, ...found) => (into.subjectKeyId = extension(readSubjectKeyId, ...found))],
  ['2.5.29.15', (into, ...found) => (into.keyUsage = extension(readKeyUsage, ...found))],
  [
    '2.5.29.17',
    (into, ...found) => (into.subjectAltName = extension(readSubjectAltName, ...found)),
  ],
  [
    '2.5.29.19',
    (into, ...found) => (into.basicConstraints = extension(readBasicConstraints, ...found)),
  ],
  [
    '2.5.29.30',
    (into, ...found) => (into.nameConstraints = extension(readNameConstraints, ...found)),
  ],
  [
    '2.5.29.32',
    (into, ...found) => (into.certificatePolicies = extension(readCertificatePolicies, ...found)),
  ],
  [
    '2.5.29.33',
    (into, ...found) => (into.policyMappings = extension(readPolicyMappings, ...found)),
  ],
  [
    '2.5.29.35',
    (into, ...found) => (into.authorityKeyId = extension(readAuthorityKeyId, ...found)),
  ],
  [
    '2.5.29.36',
    (into, ...found) => (into.policyConstraints = extension(readPolicyConstraints, ...found)),
  ],
  [
    '2.5.29.37',
    (into, ...found) => (into.extendedKeyUsage = extension(readExtendedKeyUsage, ...found)),
  ],
  [
    '2.5.29.54',
    (into, ...found) => (into.inhibitAnyPolicy = extension(readInhibitAnyPolicy, ...found)),
  ],
])

function extension<T>(
  read: (reader: DerReader) => T,
  critical: boolean,
  value: Uint8Array,
): Extension<T> {
  return Object.freeze({ critical, value: readWhole(value, read) })
}

export const NO_EXTENSIONS: Extensions = Object.freeze({ unknownCritical: Object.freeze([]) })

/**
 * Reads the `Extensions` of a certificate. One that occurs twice is refused.
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readExtensions(list: DerReader): Extensions {
  const unknownCritical: string[] = []
  const extensions: Mutable<Extensions> = { unknownCritical }
  readExtensionList(list, (type, critical, value) => {
    const read = READERS.get(type)
    if (read !== undefined) read(extensions, critical, value)
    else if (critical) unknownCritical.push(type)
  })
  Object.freeze(unknownCritical)
  return Object.freeze(extensions)
}

/** RFC 5280 §4.2.1.2. */
function readSubjectKeyId(reader: DerReader): string {
  return hexadecimal(reader.content(TAG.octetString))
}

/** RFC 5280 §4.2.1.9: only a CA has a path length. */
function readBasicConstraints(reader: DerReader): BasicConstraints {
  const constraints = reader.enter(TAG.sequence)
  const isCa = readFlag(constraints)
  const pathLength = constraints.isAtEnd ? undefined : readCount(constraints)
  constraints.end()
  if (pathLength !== undefined && !isCa) throw invalidDer('a path length without the CA flag')
  return Object.freeze({ isCa, pathLength })
}

/** RFC 5280 §4.2.1.12. */
function readExtendedKeyUsage(reader: DerReader): readonly string[] {
  const purposes = reader.enter(TAG.sequence)
  const identifiers: string[] = []
  do identifiers.push(readObjectIdentifier(purposes))
  while (!purposes.isAtEnd)
  return Object.freeze(identifiers)
}

/** RFC 5280 §4.2.1.6: a name at least. */
function readSubjectAltName(reader: DerReader): SubjectAltName {
  const list = reader.enter(TAG.sequence)
  const names: GeneralName[] = []
  do names.push(readSubjectName(list))
  while (!list.isAtEnd)
  const uris = names.flatMap((name) => (name.form === 'uri' ? [name.text] : []))
  return Object.freeze({ uris: Object.freeze(uris), names: Object.freeze(names) })
}

/**
 * RFC 5280 §4.2.1.1; the issuer and serial number of the issuer are not needed here, and are
 * skipped.
 */
export function readAuthorityKeyId(reader: DerReader): string | undefined {
  const identifier = reader.enter(TAG.sequence)
  const keyId = identifier.contentIf(contextTag(0))
  identifier.contentIf(contextTagConstructed(1))
  identifier.contentIf(contextTag(2))
  identifier.end()
  return keyId === undefined ? undefined : hexadecimal(keyId)
}
