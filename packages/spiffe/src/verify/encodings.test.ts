import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { Certificate } from '../x509/certificate.ts'
import {
  bitString,
  commonName,
  extension,
  forge,
  leafExtensions,
  name,
  NULL,
  oid,
  refuses,
  uriName,
  version,
  type Draft,
} from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'
import { verifyX509Svid } from './verify-x509-svid.ts'

const root = party('root')
const bundles = trusting(selfSigned(root))

/** A leaf of the authority with that one difference, DER. */
const leafOf = (draft: Draft): Buffer =>
  forge({
    subject: commonName('workload'),
    issuer: commonName('root'),
    issuerKeys: root.keys,
    ...draft,
  })

const withExtensions = (...more: Buffer[]): Draft => ({
  extensions: [...leafExtensions(), ...more],
})
const dates = (notBefore: Buffer, notAfter: Buffer): Draft => ({
  validity: tlv(TAG.sequence, notBefore, notAfter),
})
const START = tlv(TAG.utcTime, '200101000000Z')
const END = tlv(TAG.utcTime, '491231235959Z')
const generalized = (text: string): Buffer => tlv(TAG.generalizedTime, text)

/** What a peer gets that sends the leaf; `'unreadable'` where OpenSSL does not hand it on. */
function answerTo(der: Buffer): string {
  let sent: X509Certificate
  try {
    sent = new X509Certificate(der)
  } catch {
    return 'unreadable'
  }
  const outcome = verifyX509Svid([sent], bundles, { clock: () => Date.UTC(2026, 5, 1) })
  return outcome.ok ? 'accepted' : outcome.code
}

describe('a certificate that RFC 5280 and DER do not know is malformed', () => {
  test.each<[string, Draft]>([
    ['a GeneralizedTime with a fraction', dates(START, generalized('20501231235959.5Z'))],
    ['a GeneralizedTime with an offset', dates(START, generalized('20491231235959+0000'))],
    ['a GeneralizedTime without seconds', dates(START, generalized('204912312359Z'))],
    ['a time with an offset', dates(START, tlv(TAG.utcTime, '491231235959+0000'))],
    ['a time without seconds', dates(START, tlv(TAG.utcTime, '4912312359Z'))],
    ['a day that there is not', dates(START, tlv(TAG.utcTime, '490229235959Z'))],
    ['three dates', { validity: tlv(TAG.sequence, START, START, START) }],
    ['a serial number that is padded', { serialNumber: tlv(TAG.integer, Buffer.from([0, 1])) }],
    ['a serial number without octets', { serialNumber: tlv(TAG.integer) }],
    ['a serial number of 65 octets', { serialNumber: tlv(TAG.integer, Buffer.alloc(65, 1)) }],
    ['version 1 spelled out', { version: version(0) }],
    ['version 4', { version: version(3) }],
    ['extensions in version 1', { version: Buffer.alloc(0) }],
    ['extensions in version 2', { version: version(1) }],
    [
      'unique identifiers in version 1',
      {
        version: Buffer.alloc(0),
        extensionList: Buffer.alloc(0),
        uniqueIds: tlv(contextTag(1), Buffer.from([0, 1])),
      },
    ],
    [
      'a unique identifier with dirty padding',
      { uniqueIds: tlv(contextTag(1), Buffer.from([1, 1])) },
    ],
    [
      'unique identifiers in the wrong order',
      { uniqueIds: Buffer.concat([tlv(contextTag(2), NULL), tlv(contextTag(1), NULL)]) },
    ],
    ['an empty list of extensions', { extensions: [] }],
    ['an extension twice', withExtensions(...leafExtensions().slice(0, 1))],
    [
      'an unknown extension twice',
      withExtensions(extension('1.2.3.4', false, NULL), extension('1.2.3.4', false, NULL)),
    ],
    ['a flag of 01', withExtensions(extension('1.2.3.4', Buffer.from([1, 1, 1]), NULL))],
    ['an empty SAN', { extensions: [extension('2.5.29.17', true, tlv(TAG.sequence))] }],
    [
      'an extended key usage without a purpose',
      withExtensions(extension('2.5.29.37', false, tlv(TAG.sequence))),
    ],
    [
      'name constraints without a subtree',
      withExtensions(extension('2.5.29.30', true, tlv(TAG.sequence))),
    ],
    [
      'a key usage with dirty padding',
      {
        extensions: [
          extension('2.5.29.15', true, bitString(Buffer.from([0x81]), 7)),
          ...leafExtensions().slice(1),
        ],
      },
    ],
    [
      'a key usage that says eight bits are unused',
      {
        extensions: [
          extension('2.5.29.15', true, bitString(Buffer.alloc(1), 8)),
          ...leafExtensions().slice(1),
        ],
      },
    ],
    [
      'octets after the value of an extension',
      withExtensions(extension('2.5.29.14', false, Buffer.from([4, 1, 1, 0]))),
    ],
    [
      'an authority key identifier with more than three fields',
      withExtensions(extension('2.5.29.35', false, tlv(TAG.sequence, tlv(contextTag(3), 'x')))),
    ],
    [
      'an address of five octets',
      {
        extensions: [
          extension(
            '2.5.29.17',
            false,
            tlv(
              TAG.sequence,
              uriName('spiffe://example.org/web'),
              tlv(contextTag(7), Buffer.alloc(5)),
            ),
          ),
        ],
      },
    ],
    [
      'a DNS name that is not ASCII',
      {
        extensions: [
          extension(
            '2.5.29.17',
            false,
            tlv(TAG.sequence, uriName('spiffe://example.org/web'), tlv(contextTag(2), 'ä')),
          ),
        ],
      },
    ],
    ['an empty relative name', { subject: tlv(TAG.sequence, tlv(TAG.set)) }],
    [
      'a name that is not UTF-8',
      { subject: name(['2.5.4.3', tlv(TAG.utf8String, Buffer.from([0xc3, 0x28]))]) },
    ],
    [
      'an outer algorithm that is another',
      { outerAlgorithm: tlv(TAG.sequence, oid('1.2.840.10045.4.3.3')) },
    ],
    ['a signature with unused bits', { signature: bitString(Buffer.from([0x80]), 1) }],
    ['something after the extensions', { afterTbs: NULL }],
  ])('%s', (_, draft) => {
    expect(answerTo(leafOf({}))).toBe('accepted')
    refuses('invalid-certificate', () => Certificate.fromDer(leafOf(draft)))
    expect(['malformed', 'unreadable']).toContain(answerTo(leafOf(draft)))
  })

  test('a length that is indefinite or not in the fewest octets', () => {
    const der = leafOf({})
    const [content, length] = [der.subarray(4), der.subarray(2, 4)]
    const long = Buffer.concat([Buffer.from([0x30, 0x83, 0x00]), length, content])
    const indefinite = Buffer.concat([Buffer.from([0x30, 0x80]), content, Buffer.from([0, 0])])
    for (const ber of [long, indefinite]) {
      // OpenSSL reads it, and makes DER of it.
      expect(new X509Certificate(ber).raw.equals(der)).toBe(true)
      refuses('invalid-certificate', () => Certificate.fromDer(ber))
    }
  })

  test('octets after it', () => {
    refuses('invalid-certificate', () =>
      Certificate.fromDer(Buffer.concat([leafOf({}), Buffer.from([0])])),
    )
  })

  test('also where it is not needed for the path', () => {
    const odd = forge({ extensions: [...leafExtensions(), ...leafExtensions()] })
    const sent = [leafOf({}), odd].map((der) => new X509Certificate(der))
    const outcome = verifyX509Svid(sent, bundles, { clock: () => Date.UTC(2026, 5, 1) })
    expect(outcome).toMatchObject({ ok: false, code: 'malformed' })
  })
})

describe('what is odd and cannot be mistaken is accepted', () => {
  test.each<[string, Draft]>([
    ['a serial number of zero', { serialNumber: tlv(TAG.integer, Buffer.from([0])) }],
    ['a negative serial number', { serialNumber: tlv(TAG.integer, Buffer.from([0x80])) }],
    ['a serial number of 20 octets', { serialNumber: tlv(TAG.integer, Buffer.alloc(20, 0x7f)) }],
    ['a serial number of 64 octets', { serialNumber: tlv(TAG.integer, Buffer.alloc(64, 1)) }],
    [
      'a GeneralizedTime before 2050',
      dates(generalized('20200101000000Z'), generalized('20491231235959Z')),
    ],
    ['a GeneralizedTime of the first century', dates(generalized('00490101000000Z'), END)],
    ['the end of all times', dates(START, generalized('99991231235959Z'))],
    [
      'a critical flag that is FALSE',
      withExtensions(extension('1.2.3.4', Buffer.from([1, 1, 0]), NULL)),
    ],
    ['a unique identifier', { uniqueIds: tlv(contextTag(2), Buffer.from([0, 1])) }],
    [
      'an authority key identifier that is empty',
      withExtensions(extension('2.5.29.35', false, tlv(TAG.sequence))),
    ],
    [
      'an authority key identifier by name and number',
      withExtensions(
        extension(
          '2.5.29.35',
          false,
          tlv(
            TAG.sequence,
            tlv(contextTagConstructed(1), tlv(contextTagConstructed(4), commonName('root'))),
            tlv(contextTag(2), Buffer.from([1])),
          ),
        ),
      ),
    ],
    [
      'the name of the issuer in another string type',
      { issuer: name(['2.5.4.3', tlv(TAG.printableString, 'ROOT')]) },
    ],
  ])('%s', (_, draft) => {
    expect(verdict([Certificate.fromDer(leafOf(draft))], bundles)).toBe('accepted')
    expect(answerTo(leafOf(draft))).toBe('accepted')
  })

  test('an issuer and a subject without a name, which are one name', () => {
    const nameless = tlv(TAG.sequence)
    const anchor = selfSigned(root, { draft: { subject: nameless, issuer: nameless } })
    const leaf = svid(root, { draft: { issuer: nameless } })
    expect(verdict([leaf], trusting(anchor))).toBe('accepted')
    expect(verdict([leaf], bundles)).toBe('no-path')
  })
})

/** What a leaf with the name `issuer` gets below an anchor of that name and the right key. */
const byName = (subject: Buffer, issuer: Buffer): string => {
  const anchor = selfSigned(root, { draft: { subject, issuer: subject } })
  return verdict([svid(root, { draft: { issuer } })], trusting(anchor))
}
const common = (tag: number, text: string): Buffer => name(['2.5.4.3', tlv(tag, text)])

describe('names of issuers', () => {
  test('are compared without case, white space and string type', () => {
    const base = common(TAG.utf8String, 'The Authority')
    expect(byName(base, base)).toBe('accepted')
    expect(byName(base, common(TAG.printableString, ' the  AUTHORITY '))).toBe('accepted')
    expect(byName(base, common(TAG.utf8String, 'The Authorita'))).toBe('no-path')
  })

  test('of old string types are compared octet by octet', () => {
    const teletex = 0x14
    const base = common(teletex, 'Authority')
    expect(byName(base, base)).toBe('accepted')
    expect(byName(base, common(teletex, 'authority'))).toBe('no-path')
    expect(byName(base, common(TAG.utf8String, 'Authority'))).toBe('no-path')
  })

  test('are no proof: what has the name and not the key did not issue', () => {
    const impostor = party('root')
    expect(verdict([svid(impostor)], bundles)).toBe('bad-signature')
  })
})

describe('old versions', () => {
  const old: Draft = { version: Buffer.alloc(0), extensionList: Buffer.alloc(0) }

  test('of a leaf name no SPIFFE ID', () => {
    expect(verdict([Certificate.fromDer(leafOf(old))], bundles)).toBe('no-uri-san')
  })

  test('of an issuer are no CA', () => {
    const middle = party('middle')
    const chain = [svid(middle), certify(middle, root, { draft: old })]
    expect(verdict(chain, bundles)).toBe('issuer-not-ca')
    expect(verdict([chain[0]!, certify(middle, root)], bundles)).toBe('accepted')
  })
})
