import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { expect } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import type { SpiffeErrorCode } from '../errors.ts'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export const NULL: Buffer = tlv(TAG.null)
export const TRUE: Buffer = Buffer.from([0x01, 0x01, 0xff])

export function newKeyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

const publicKeyInfos = new WeakMap<KeyPair, Buffer>()

/** The DER of the public key; Node takes longer to write it than to check a signature. */
export function publicKeyInfo(keys: KeyPair): Buffer {
  const known = publicKeyInfos.get(keys)
  if (known !== undefined) return known
  const info = keys.publicKey.export({ format: 'der', type: 'spki' })
  publicKeyInfos.set(keys, info)
  return info
}

/** An object identifier whose arcs are below 2^28. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  const octets = [first * 40 + second, ...arcs].flatMap((arc) => {
    const groups = [arc >> 21, arc >> 14, arc >> 7, arc].map((group) => group & 0x7f)
    const start = groups.findIndex((group) => group !== 0)
    const used = start === -1 ? [0] : groups.slice(start)
    return used.map((group, index) => (index < used.length - 1 ? group | 0x80 : group))
  })
  return tlv(TAG.objectIdentifier, Buffer.from(octets))
}

export function bitString(bits: Uint8Array, unused = 0): Buffer {
  return tlv(TAG.bitString, Buffer.from([unused]), bits)
}

/** An extension; `critical` is written as given when it is an element of its own. */
export function extension(type: string, critical: boolean | Buffer, value: Uint8Array): Buffer {
  const flag = typeof critical === 'boolean' ? (critical ? TRUE : Buffer.alloc(0)) : critical
  return tlv(TAG.sequence, oid(type), flag, tlv(TAG.octetString, value))
}

export function name(...attributes: readonly (readonly [type: string, value: Buffer])[]): Buffer {
  const relative = attributes.map(([type, value]) =>
    tlv(TAG.set, tlv(TAG.sequence, oid(type), value)),
  )
  return tlv(TAG.sequence, ...relative)
}

export const commonName = (text: string): Buffer => name(['2.5.4.3', tlv(TAG.utf8String, text)])

export const uriName = (uri: string): Buffer => tlv(contextTag(6), uri)

/** The extensions of a good leaf. */
export function leafExtensions(uri = 'spiffe://example.org/web'): Buffer[] {
  return [
    extension('2.5.29.15', true, bitString(Buffer.from([0x80]), 7)),
    extension('2.5.29.19', true, tlv(TAG.sequence)),
    extension('2.5.29.17', false, tlv(TAG.sequence, uriName(uri))),
  ]
}

/** The parts of a certificate, each an element; any may be replaced by what is not one. */
interface Parts {
  readonly version: Buffer
  readonly serialNumber: Buffer
  readonly algorithm: Buffer
  readonly issuer: Buffer
  readonly validity: Buffer
  readonly subject: Buffer
  readonly uniqueIds: Buffer
  /** What stands in the place of the tagged list of extensions. */
  readonly extensionList: Buffer
  readonly afterTbs: Buffer
}

export interface Draft extends Partial<Parts> {
  readonly extensions?: readonly Buffer[]
  readonly outerAlgorithm?: Buffer
  readonly signature?: Buffer
  readonly subjectKeys?: KeyPair
  readonly issuerKeys?: KeyPair
}

const NOTHING = Buffer.alloc(0)

export const version = (number: number): Buffer =>
  tlv(contextTagConstructed(0), Buffer.from([0x02, 0x01, number]))

const extensionList = (extensions: readonly Buffer[]): Buffer =>
  tlv(contextTagConstructed(3), tlv(TAG.sequence, ...extensions))

const DEFAULTS: Parts = {
  version: version(2),
  serialNumber: Buffer.from([0x02, 0x02, 0x00, 0xff]),
  algorithm: tlv(TAG.sequence, oid('1.2.840.10045.4.3.2')),
  issuer: commonName('issuer'),
  validity: tlv(TAG.sequence, tlv(TAG.utcTime, '200101000000Z'), tlv(TAG.utcTime, '491231235959Z')),
  subject: commonName('subject'),
  uniqueIds: NOTHING,
  extensionList: extensionList(leafExtensions()),
  afterTbs: NOTHING,
}

/** Makes a certificate by hand, a good leaf where the draft is silent, and signs it. */
export function forge(draft: Draft = {}): Buffer {
  const { subjectKeys = newKeyPair(), issuerKeys = subjectKeys } = draft
  const own =
    draft.extensions === undefined ? {} : { extensionList: extensionList(draft.extensions) }
  const parts: Parts = { ...DEFAULTS, ...own, ...draft }
  const tbs = tlv(
    TAG.sequence,
    parts.version,
    parts.serialNumber,
    parts.algorithm,
    parts.issuer,
    parts.validity,
    parts.subject,
    publicKeyInfo(subjectKeys),
    parts.uniqueIds,
    parts.extensionList,
    parts.afterTbs,
  )
  const signature = draft.signature ?? bitString(sign('sha256', tbs, issuerKeys.privateKey))
  return tlv(TAG.sequence, tbs, draft.outerAlgorithm ?? parts.algorithm, signature)
}

export function refuses(code: SpiffeErrorCode, act: () => unknown): void {
  expect(act).toThrow(expect.objectContaining({ name: 'SpiffeError', code }))
}
