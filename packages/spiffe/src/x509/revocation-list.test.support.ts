import { sign } from 'node:crypto'
import { tlv } from '../der/der.test.support.ts'
import { contextTagConstructed, TAG } from '../der/tags.ts'
import { bitString, commonName, oid, type KeyPair } from './x509.test.support.ts'

interface Parts {
  readonly version: Buffer
  readonly algorithm: Buffer
  readonly issuer: Buffer
  readonly thisUpdate: Buffer
  readonly nextUpdate: Buffer
  /** What stands in the place of the list of entries. */
  readonly entryList: Buffer
  readonly extensionList: Buffer
  readonly afterTbs: Buffer
}

export interface ListDraft extends Partial<Parts> {
  readonly keys: KeyPair
  /** Serial numbers, hexadecimal. */
  readonly revoked?: readonly string[]
  readonly entries?: readonly Buffer[]
  readonly extensions?: readonly Buffer[]
  readonly outerAlgorithm?: Buffer
  readonly signature?: Buffer
}

const NOTHING = Buffer.alloc(0)

export const utcTime = (digits: string): Buffer => tlv(TAG.utcTime, `${digits}Z`)

/** An entry for a serial number in hexadecimal, with extensions where they are given. */
export const entry = (serialNumber: string, ...extensions: readonly Buffer[]): Buffer =>
  tlv(
    TAG.sequence,
    tlv(TAG.integer, Buffer.from(serialNumber, 'hex')),
    utcTime('250101000000'),
    extensions.length === 0 ? NOTHING : tlv(TAG.sequence, ...extensions),
  )

const DEFAULTS: Parts = {
  version: Buffer.from([0x02, 0x01, 0x01]),
  algorithm: tlv(TAG.sequence, oid('1.2.840.10045.4.3.2')),
  issuer: commonName('issuer'),
  thisUpdate: utcTime('250101000000'),
  nextUpdate: utcTime('491231235959'),
  entryList: NOTHING,
  extensionList: NOTHING,
  afterTbs: NOTHING,
}

/** Makes a revocation list by hand, a good one where the draft is silent, and signs it. */
export function forgeList(draft: ListDraft): Buffer {
  const entries = draft.entries ?? draft.revoked?.map((serialNumber) => entry(serialNumber))
  const parts: Parts = {
    ...DEFAULTS,
    ...(entries !== undefined && { entryList: tlv(TAG.sequence, ...entries) }),
    ...(draft.extensions !== undefined && {
      extensionList: tlv(contextTagConstructed(0), tlv(TAG.sequence, ...draft.extensions)),
    }),
    ...draft,
  }
  const tbs = tlv(
    TAG.sequence,
    parts.version,
    parts.algorithm,
    parts.issuer,
    parts.thisUpdate,
    parts.nextUpdate,
    parts.entryList,
    parts.extensionList,
    parts.afterTbs,
  )
  const signature = draft.signature ?? bitString(sign('sha256', tbs, draft.keys.privateKey))
  return tlv(TAG.sequence, tbs, draft.outerAlgorithm ?? parts.algorithm, signature)
}
