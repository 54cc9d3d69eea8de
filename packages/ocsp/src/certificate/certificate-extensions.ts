import type { Certificate } from '@fastify-spiffe/spiffe'
import {
  contextTag,
  contextTagConstructed,
  DerReader,
  readExtensionList,
  readObjectIdentifier,
  readSmallInteger,
  readWhole,
  TAG,
} from '@fastify-spiffe/spiffe/internal'

/** What the own certificate says about OCSP. */
export interface OcspExtensions {
  /** The INTEGER of its serial number, DER. */
  readonly serialNumber: Uint8Array
  /** The URLs of its responders, as they stand there. */
  readonly responderUrls: readonly string[]
  /** Whether servers have to staple (RFC 7633). */
  readonly mustStaple: boolean
}

const AUTHORITY_INFO_ACCESS = '1.3.6.1.5.5.7.1.1'
const OCSP = '1.3.6.1.5.5.7.48.1'
const TLS_FEATURE = '1.3.6.1.5.5.7.1.24'
/** RFC 7633 §4.1: the number of the TLS extension. */
const STATUS_REQUEST = 5
const URI = contextTag(6)

/** @throws `SpiffeError` `invalid-der` */
export function readOcspExtensions({ raw }: Certificate): OcspExtensions {
  // Certificate and TBSCertificate; their form was checked when the certificate was read.
  const tbs = DerReader.of(raw).enter(TAG.sequence).enter(TAG.sequence)
  if (tbs.peek() === contextTagConstructed(0)) tbs.element()
  const serialNumber = tbs.element(TAG.integer)
  let responderUrls: readonly string[] = []
  let mustStaple = false
  while (!tbs.isAtEnd) {
    const wrapper = tbs.enterIf(contextTagConstructed(3))
    if (wrapper === undefined) {
      tbs.element()
      continue
    }
    readExtensionList(wrapper.enter(TAG.sequence), (type, _critical, value) => {
      if (type === AUTHORITY_INFO_ACCESS) responderUrls = readWhole(value, readResponderUrls)
      if (type === TLS_FEATURE) mustStaple = readWhole(value, readFeatures).includes(STATUS_REQUEST)
    })
  }
  return { serialNumber, responderUrls, mustStaple }
}

/** RFC 5280 §4.2.2.1. */
function readResponderUrls(reader: DerReader): readonly string[] {
  const descriptions = reader.enter(TAG.sequence)
  const urls: string[] = []
  while (!descriptions.isAtEnd) {
    const description = descriptions.enter(TAG.sequence)
    const method = readObjectIdentifier(description)
    const isUri = description.peek() === URI
    const location = description.unread()
    description.end()
    if (method !== OCSP || !isUri) continue
    urls.push(Buffer.from(DerReader.of(location).content(URI)).toString('latin1'))
  }
  return urls
}

/** RFC 7633 §4.1. */
function readFeatures(reader: DerReader): readonly number[] {
  const features = reader.enter(TAG.sequence)
  const numbers: number[] = []
  while (!features.isAtEnd) numbers.push(readSmallInteger(features))
  return numbers
}
