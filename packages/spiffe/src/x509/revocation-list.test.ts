import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { SpiffeError } from '../errors.ts'
import { Certificate } from './certificate.ts'
import { writePem } from './pem.ts'
import { RevocationList } from './revocation-list.ts'
import { entry, forgeList, utcTime, type ListDraft } from './revocation-list.test.support.ts'
import {
  commonName,
  extension,
  forge,
  newKeyPair,
  oid,
  refuses,
  type KeyPair,
} from './x509.test.support.ts'

const keys = newKeyPair()
const read = (draft: Omit<ListDraft, 'keys'> = {}): RevocationList =>
  RevocationList.fromDer(forgeList({ keys, ...draft }))

const issuerOf = (subject: string, subjectKeys: KeyPair): Certificate =>
  Certificate.fromDer(forge({ subject: commonName(subject), subjectKeys }))

const REASON = extension('2.5.29.21', false, Buffer.from([0x0a, 0x01, 0x01]))
const CRL_NUMBER = '2.5.29.20'
const integer = (hex: string): Buffer => tlv(TAG.integer, Buffer.from(hex, 'hex'))
const UNKNOWN = '1.3.6.1.4.1.99999.1'

const generalized = (digits: string): Buffer => tlv(TAG.generalizedTime, `${digits}Z`)

describe('a revocation list', () => {
  test('says who issued it, when, until when it is current, and which serial numbers are revoked', () => {
    const keyId = tlv(TAG.sequence, tlv(contextTag(0), Buffer.from('beef', 'hex')))
    const list = read({
      entries: [entry('00ff'), entry('0a', REASON), entry('7f01')],
      extensions: [
        extension('2.5.29.35', false, keyId),
        extension(CRL_NUMBER, false, integer('05')),
      ],
    })
    expect(list.issuer.equals(issuerOf('Issuer', keys).subject)).toBe(true)
    expect(list.thisUpdate).toBe(Date.UTC(2025, 0, 1))
    expect(list.nextUpdate).toBe(Date.UTC(2049, 11, 31, 23, 59, 59))
    expect(list.authorityKeyId).toBe('beef')
    expect(list.number).toBe(5n)
    expect(read().number).toBe(-1n)
    expect(list.size).toBe(3)
    expect(['ff', '0a', '7f01'].every((serialNumber) => list.has(serialNumber))).toBe(true)
    expect(['00ff', 'a', '01'].some((serialNumber) => list.has(serialNumber))).toBe(false)
    expect(Object.isFrozen(list)).toBe(true)
  })

  test('names a serial number as the certificate does', () => {
    const { serialNumber } = Certificate.fromDer(forge())
    expect(read({ revoked: ['00ff'] }).has(serialNumber)).toBe(true)
  })

  test('has a short JSON', () => {
    const list = read({ revoked: ['0a', '0b'] })
    expect(JSON.parse(JSON.stringify(list))).toEqual({
      thisUpdate: list.thisUpdate,
      nextUpdate: list.nextUpdate,
      size: 2,
    })
  })

  test('may revoke nothing, whether the empty list of entries is there or not', () => {
    expect(read().size).toBe(0)
    expect(read({ entries: [] }).size).toBe(0)
  })

  test('may have an entry with an empty list of extensions, which some issuers write', () => {
    const empty = tlv(
      TAG.sequence,
      tlv(TAG.integer, Buffer.from([0x01])),
      utcTime('250101000000'),
      tlv(TAG.sequence),
    )
    expect(read({ entries: [empty] }).has('01')).toBe(true)
  })

  test('is current up to its next update, and not when the clock gives no number', () => {
    const list = read({ nextUpdate: utcTime('250102000000') })
    expect(list.isCurrent(Date.UTC(2025, 0, 2))).toBe(true)
    expect(list.isCurrent(Date.UTC(2025, 0, 2) + 1)).toBe(false)
    expect(list.isCurrent(Number.NaN)).toBe(false)
  })

  test('may write all of its times as GeneralizedTime (RFC 5280 §5.1.2.4: both are processed)', () => {
    const draft = { thisUpdate: utcTime('250101000000'), nextUpdate: utcTime('260101000000') }
    const [serialNumber, time] = [tlv(TAG.integer, Buffer.from([1])), generalized('20241231000000')]
    const list = read({
      thisUpdate: generalized('20250101000000'),
      nextUpdate: generalized('20260101000000'),
      entries: [tlv(TAG.sequence, serialNumber, time)],
    })
    expect(list.has('01')).toBe(true)
    expect([list.thisUpdate, list.nextUpdate]).toEqual([
      read(draft).thisUpdate,
      read(draft).nextUpdate,
    ])
    const backwards = { ...draft, nextUpdate: generalized('20241231235959') }
    refuses('invalid-revocation-list', () => read(backwards))
  })

  test('is read from PEM, in any number', () => {
    const ders = [forgeList({ keys }), forgeList({ keys, revoked: ['01'] })]
    const pem = ders.map((der) => writePem('X509 CRL', der)).join(writePem('CERTIFICATE', forge()))
    expect(RevocationList.fromPem(pem).map(({ size }) => size)).toEqual([0, 1])
  })

  test.each<[string, (pem: string) => string | Uint8Array]>([
    ['nothing at all', () => ''],
    ['UTF-16', (pem) => Buffer.from(`\ufeff${pem}`, 'utf16le')],
    ['line breaks of two characters', (pem) => pem.replaceAll('\n', '\\n')],
    ['another label', (pem) => pem.replaceAll('X509 CRL', 'CRL')],
    ['DER', () => forgeList({ keys, revoked: ['01'] })],
  ])('is never read as no list at all: %s', (_, written) => {
    const pem = writePem('X509 CRL', forgeList({ keys, revoked: ['01'] }))
    expect(RevocationList.fromPem(Buffer.from(`\ufeff${pem}`))[0]!.has('01')).toBe(true)
    refuses('invalid-pem', () => RevocationList.fromPem(written(pem)))
  })

  test('keeps its octets when the caller changes his', () => {
    const der = forgeList({ keys, revoked: ['01'] })
    const list = RevocationList.fromDer(der)
    const twin = RevocationList.fromDer(der)
    der.fill(0)
    expect(list.equals(twin)).toBe(true)
    expect(list.equals(read())).toBe(false)
    expect(list.isSignedBy(issuerOf('issuer', keys))).toBe(true)
  })
})

describe('the signature of a revocation list', () => {
  test('is the key of the issuer, under the name of the issuer', () => {
    const list = read()
    expect(list.isSignedBy(issuerOf('issuer', keys))).toBe(true)
    expect(list.isSignedBy(issuerOf('issuer', newKeyPair()))).toBe(false)
    expect(list.isSignedBy(issuerOf('another', keys))).toBe(false)
  })

  test('is checked once for each key', () => {
    const list = read()
    const issuer = issuerOf('issuer', keys)
    expect(list.knownSigner(issuer)).toBeUndefined()
    list.isSignedBy(issuer)
    // Another certificate of the same key.
    expect(list.knownSigner(issuerOf('issuer', keys))).toBe(true)
    const wrong = issuerOf('issuer', newKeyPair())
    list.isSignedBy(wrong)
    expect(list.knownSigner(wrong)).toBe(false)
  })

  test('does not hold for changed octets', () => {
    const der = forgeList({ keys, revoked: ['01'] })
    const at = der.indexOf(utcTime('491231235959')) + 2
    der[at + 1] = 0x38
    expect(RevocationList.fromDer(der).isSignedBy(issuerOf('issuer', keys))).toBe(false)
  })

  test('does not hold when it is made in a way that is not allowed, such as with SHA-1', () => {
    const list = read({ algorithm: tlv(TAG.sequence, oid('1.2.840.10045.4.1')) })
    expect(list.isSignedBy(issuerOf('issuer', keys))).toBe(false)
  })
})

describe('a list that must not be used (RFC 5280 §5.2, §5.3)', () => {
  test.each<[string, Omit<ListDraft, 'keys'>]>([
    ['stands for a part', { extensions: [extension('2.5.29.28', true, tlv(TAG.sequence))] }],
    [
      'stands for a part, and does not say that this is critical',
      { extensions: [extension('2.5.29.28', false, tlv(TAG.sequence))] },
    ],
    ['is a delta', { extensions: [extension('2.5.29.27', true, Buffer.from([2, 1, 1]))] }],
    [
      'has a critical extension that is unknown',
      { extensions: [extension(UNKNOWN, true, Buffer.from([5, 0]))] },
    ],
    [
      'has an entry of another issuer',
      { entries: [entry('01', extension('2.5.29.29', true, tlv(TAG.sequence)))] },
    ],
    [
      'has an entry with a critical extension that is unknown',
      { entries: [entry('01'), entry('02', extension(UNKNOWN, true, Buffer.from([5, 0])))] },
    ],
  ])('%s', (_, draft) => {
    refuses('unsupported-revocation-list', () => read(draft))
  })

  test('but one with extensions that are unknown and not critical is', () => {
    const harmless = extension(UNKNOWN, false, Buffer.from([5, 0]))
    expect(read({ extensions: [harmless], entries: [entry('01', harmless)] }).has('01')).toBe(true)
  })
})

test('a list with changed octets is refused by an error of ours, or its signature does not hold', () => {
  const der = forgeList({ keys, entries: [entry('00ff', REASON), entry('01')] })
  const issuer = issuerOf('issuer', keys)
  const seen = { unreadable: 0, unsigned: 0 }
  for (let at = 0; at < der.length; at += 1) {
    for (const change of [0x01, 0x20, 0x80, 0xff]) {
      const mutant = Buffer.from(der)
      mutant[at]! ^= change
      try {
        expect(RevocationList.fromDer(mutant).isSignedBy(issuer)).toBe(false)
        seen.unsigned += 1
      } catch (error) {
        if (!(error instanceof SpiffeError)) throw error
        expect(error.code).toMatch(/^(?:invalid|unsupported)-revocation-list$/)
        seen.unreadable += 1
      }
    }
  }
  expect(seen.unreadable).toBeGreaterThan(300)
  expect(seen.unsigned).toBeGreaterThan(300)
})

describe('no revocation list', () => {
  test.each<[string, Omit<ListDraft, 'keys'>]>([
    ['of version 1', { version: Buffer.alloc(0) }],
    ['of version 3', { version: Buffer.from([0x02, 0x01, 0x02]) }],
    ['without a next update', { nextUpdate: Buffer.alloc(0) }],
    ['whose next update is before this one', { nextUpdate: utcTime('241231235959') }],
    ['whose issuer has no name', { issuer: tlv(TAG.sequence) }],
    ['whose algorithm differs outside', { outerAlgorithm: tlv(TAG.sequence, oid('1.3.101.112')) }],
    ['with octets after its extensions', { afterTbs: Buffer.from([5, 0]) }],
    ['with an empty list of extensions', { extensions: [] }],
    ['with an extension twice', { extensions: [REASON, REASON] }],
    ['with a negative number', { extensions: [extension(CRL_NUMBER, false, integer('80'))] }],
    [
      'with a number of 21 octets',
      { extensions: [extension(CRL_NUMBER, false, integer('7f'.repeat(21)))] },
    ],
    ['with an entry that is cut', { entryList: Buffer.from('30023003', 'hex') }],
    ['with an entry that has an extension twice', { entries: [entry('01', REASON, REASON)] }],
    ['with a serial number that is not in the fewest octets', { entries: [entry('0001')] }],
  ])('is one %s', (_, draft) => {
    refuses('invalid-revocation-list', () => read(draft))
  })

  test('is junk, a cut one, one with something behind it, or one that is larger than 16 MiB', () => {
    const der = forgeList({ keys, revoked: ['01'] })
    const inputs = [
      Buffer.alloc(0),
      Buffer.from('junk'),
      forge(),
      der.subarray(0, -1),
      Buffer.concat([der, der]),
      Buffer.alloc(16 * 1024 * 1024 + 1),
    ]
    for (const input of inputs) {
      refuses('invalid-revocation-list', () => RevocationList.fromDer(input))
    }
  })
})
