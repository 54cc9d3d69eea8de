import {
  contextTag,
  contextTagConstructed,
  invalidDer,
  readExtensionList,
  readObjectIdentifier,
  readSerialNumber,
  readTime,
  TAG,
  type DerReader,
} from '@fastify-spiffe/spiffe/internal'

/** Why a certificate was revoked (RFC 5280 §5.3.1). */
export type RevocationCause =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'removeFromCRL'
  | 'privilegeWithdrawn'
  | 'aACompromise'

/** What a responder says of a certificate (RFC 6960 §2.2). */
export type CertificateStatus =
  | { readonly status: 'good' | 'unknown' }
  | {
      readonly status: 'revoked'
      /** Milliseconds since the epoch. */
      readonly revokedAt: number
      /** Absent when the responder does not say. */
      readonly reason?: RevocationCause
    }

/** Which certificate is meant (RFC 6960 §4.1.1). */
export interface CertId {
  /** The object identifier of the hash algorithm, dotted. */
  readonly hashAlgorithm: string
  readonly issuerNameHash: Uint8Array
  readonly issuerKeyHash: Uint8Array
  /** As in `Certificate.serialNumber`. */
  readonly serialNumber: string
}

/** What a response says of one certificate (RFC 6960 §4.2.1). */
export interface SingleResponse {
  readonly certId: CertId
  readonly certificateStatus: CertificateStatus
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number
  /** Milliseconds since the epoch; `undefined` when the responder does not say. */
  readonly nextUpdate: number | undefined
  /** The object identifiers of its critical extensions. */
  readonly critical: readonly string[]
}

const REASONS: ReadonlyMap<number, RevocationCause> = new Map([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [2, 'cACompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [6, 'certificateHold'],
  [8, 'removeFromCRL'],
  [9, 'privilegeWithdrawn'],
  [10, 'aACompromise'],
])

const ENUMERATED = 0x0a
const GOOD = contextTag(0)
const REVOKED = contextTagConstructed(1)
const UNKNOWN = contextTag(2)

/** @throws `SpiffeError` `invalid-der` */
export function readSingleResponse(list: DerReader): SingleResponse {
  const single = list.enter(TAG.sequence)
  const certId = readCertId(single.enter(TAG.sequence))
  const certificateStatus = readStatus(single)
  const thisUpdate = readGeneralizedTime(single)
  const nextUpdate = readWrapped(single.enterIf(contextTagConstructed(0)), readGeneralizedTime)
  if (nextUpdate !== undefined && nextUpdate < thisUpdate) {
    throw invalidDer('the next update is before this one')
  }
  const critical = readCriticalExtensions(single.enterIf(contextTagConstructed(1)), () => undefined)
  single.end()
  return { certId, certificateStatus, thisUpdate, nextUpdate, critical }
}

/** RFC 6960 §4.2.2.1, RFC 5280 §4.1.2.5.2: `YYYYMMDDHHMMSSZ`; an offset or a fraction can be read two ways. */
export function readGeneralizedTime(reader: DerReader): number {
  if (reader.peek() !== TAG.generalizedTime) throw invalidDer('a time is not a GeneralizedTime')
  return readTime(reader)
}

/** An ENUMERATED from 0 to 127, which is one octet. */
export function readEnumerated(reader: DerReader): number {
  const content = reader.content(ENUMERATED)
  if (content.length !== 1 || content[0]! > 127) throw invalidDer('an ENUMERATED is out of bounds')
  return content[0]!
}

/**
 * Reads optional extensions, and returns the object identifiers of the critical ones that `take` does not know.
 * @param take returns `true` for an extension that it understands
 */
export function readCriticalExtensions(
  wrapper: DerReader | undefined,
  take: (type: string, value: Uint8Array) => true | undefined,
): readonly string[] {
  const critical: string[] = []
  if (wrapper === undefined) return critical
  readExtensionList(wrapper.enter(TAG.sequence), (type, isCritical, value) => {
    const isKnown = take(type, value) === true
    if (isCritical && !isKnown) critical.push(type)
  })
  wrapper.end()
  return critical
}

/** What an explicit tag wraps, and nothing beside it. */
function readWrapped<T>(
  wrapper: DerReader | undefined,
  read: (reader: DerReader) => T,
): T | undefined {
  if (wrapper === undefined) return undefined
  const value = read(wrapper)
  wrapper.end()
  return value
}

function readCertId(reader: DerReader): CertId {
  const algorithm = reader.enter(TAG.sequence)
  const hashAlgorithm = readObjectIdentifier(algorithm)
  // RFC 4055 §2.1: NULL, and an absent one is accepted.
  if ((algorithm.contentIf(TAG.null)?.length ?? 0) !== 0) throw invalidDer('a NULL is not empty')
  algorithm.end()
  const issuerNameHash = reader.content(TAG.octetString)
  const issuerKeyHash = reader.content(TAG.octetString)
  const serialNumber = readSerialNumber(reader)
  reader.end()
  return { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber }
}

function readStatus(single: DerReader): CertificateStatus {
  switch (single.peek()) {
    case GOOD:
      assertEmpty(single.content(GOOD))
      return { status: 'good' }
    case REVOKED:
      return readRevoked(single.enter(REVOKED))
    case UNKNOWN:
      assertEmpty(single.content(UNKNOWN))
      return { status: 'unknown' }
    default:
      throw invalidDer('a status is neither good, revoked nor unknown')
  }
}

function assertEmpty({ length }: Uint8Array): void {
  if (length !== 0) throw invalidDer('a NULL is not empty')
}

function readRevoked(info: DerReader): CertificateStatus {
  const revokedAt = readGeneralizedTime(info)
  const number = readWrapped(info.enterIf(contextTagConstructed(0)), readEnumerated)
  info.end()
  if (number === undefined) return { status: 'revoked', revokedAt }
  const reason = REASONS.get(number)
  if (reason === undefined) throw invalidDer('a reason of revocation is not known')
  return { status: 'revoked', revokedAt, reason }
}
