import type { CertificateTemplate, RawExtension } from '@fastify-spiffe/authority'
import { NOW } from '../support/verdict.ts'
import { BOOLEAN_TRUE, der, oid, SEQUENCE } from './der.ts'
import type { Draft } from './draft.ts'
import { constraintChanges } from './constraints.ts'
import { FEDERATED, HOME } from './identities.ts'
import { Vocabulary } from './vocabulary.ts'

type Edit = (draft: Draft) => Draft

const SECOND_MS = 1000

const template =
  (part: CertificateTemplate): Edit =>
  (draft) => ({ ...draft, template: { ...draft.template, ...part } })

const extension =
  (part: RawExtension, instead: CertificateTemplate = {}): Edit =>
  (draft) => ({
    ...template(instead)(draft),
    extensions: [...draft.extensions.filter(({ oid: type }) => type !== part.oid), part],
  })

const PURPOSE = [0x2b, 6, 1, 5, 5, 7, 3] as const
const SERVER = oid(...PURPOSE, 1)
const CLIENT = oid(...PURPOSE, 2)
const CODE_SIGNING = oid(...PURPOSE, 3)
const ANY_PURPOSE = oid(0x55, 0x1d, 0x25, 0)
const ANY_POLICY = oid(0x55, 0x1d, 0x20, 0)
const POLICY_A = oid(0x2b, 6, 1, 4, 1, 1, 1)
const POLICY_B = oid(0x2b, 6, 1, 4, 1, 1, 2)

/** Instead of those that the certificate would have. */
const policies = (critical: boolean, ...asserted: readonly Buffer[]): Edit =>
  extension({
    oid: '2.5.29.32',
    critical,
    value: der(SEQUENCE, ...asserted.map((policy) => der(SEQUENCE, policy))),
  })

const mapping = (from: Buffer, to: Buffer): Edit =>
  extension({ oid: '2.5.29.33', critical: true, value: der(SEQUENCE, der(SEQUENCE, from, to)) })

const policyConstraints = (...parts: readonly Buffer[]): Edit =>
  extension({ oid: '2.5.29.36', critical: true, value: der(SEQUENCE, ...parts) })

/** Instead of those that the certificate would have. */
const purposes = (critical: boolean, ...allowed: readonly Buffer[]): Edit =>
  extension(
    { oid: '2.5.29.37', critical, value: der(SEQUENCE, ...allowed) },
    { extendedKeyUsage: 'absent' },
  )

const BASIC_CONSTRAINTS = '2.5.29.19'

const basicConstraints = (critical: boolean, value: Buffer): Edit =>
  extension({ oid: BASIC_CONSTRAINTS, critical, value }, { ca: 'absent' })

/** The last word about it counts: there is one extension. */
const ca =
  (value: NonNullable<CertificateTemplate['ca']>): Edit =>
  (draft) => ({
    ...template({ ca: value })(draft),
    extensions: draft.extensions.filter(({ oid: type }) => type !== BASIC_CONSTRAINTS),
  })

const authorityKeyId = (value: Buffer): Edit =>
  extension({ oid: '2.5.29.35', value }, { authorityKeyIdentifier: false })

const WRONG_KEY_ID = Buffer.alloc(20, 0x77)
const UNKNOWN = '1.3.6.1.4.1.99999.1'

/** What can be different about a certificate, by the words that describe it. */
export const changes: Vocabulary<Edit> = new Vocabulary<Edit>({
  expired: template({ notAfter: NOW - SECOND_MS }),
  'not yet valid': template({ notBefore: NOW + SECOND_MS }),
  'ends now': template({ notAfter: NOW }),
  'begins now': template({ notBefore: NOW }),
  'ends long after the others': template({ notAfter: Date.parse('2060-01-01T00:00:00Z') }),
  'ends before it begins': template({ notBefore: NOW, notAfter: NOW - SECOND_MS }),

  'a CA': ca(true),
  'not a CA': ca(false),
  'no basic constraints': ca('absent'),
  'a CA, not critical': basicConstraints(false, der(SEQUENCE, BOOLEAN_TRUE)),
  'a CA by BER': basicConstraints(true, der(SEQUENCE, Buffer.from([0x01, 0x01, 0x01]))),
  'path length 0': template({ pathLength: 0 }),
  'path length 1': template({ pathLength: 1 }),
  'path length 300': template({ pathLength: 300 }),
  'path length 2^31': pathLength('0080000000'),
  'path length 2^64': pathLength('010000000000000000'),
  'a negative path length': pathLength('ff'),

  'no key usage': template({ keyUsage: 'absent' }),
  'key usage not critical': template({ keyUsageCritical: false }),
  'key usage for signatures': template({ keyUsage: ['digitalSignature'] }),
  'key usage for encryption': template({ keyUsage: ['keyEncipherment'] }),
  'key usage for certificates': template({ keyUsage: ['digitalSignature', 'keyCertSign'] }),
  'key usage for CRLs': template({ keyUsage: ['digitalSignature', 'cRLSign'] }),
  'key usage for nothing': template({ keyUsage: [] }),

  'no extended key usage': template({ extendedKeyUsage: 'absent' }),
  'both purposes': purposes(false, SERVER, CLIENT),
  'both purposes, critical': purposes(true, SERVER, CLIENT),
  'for servers': purposes(false, SERVER),
  'for servers, critical': purposes(true, SERVER),
  'for clients': purposes(false, CLIENT),
  'for clients, critical': purposes(true, CLIENT),
  'for any purpose': purposes(false, ANY_PURPOSE),
  'for any purpose, critical': purposes(true, ANY_PURPOSE),
  'for code': purposes(false, CODE_SIGNING),
  'for code, critical': purposes(true, CODE_SIGNING),

  'no URI besides': (draft) => (draft.isLeaf ? draft : template({ uris: [] })(draft)),
  'an ID with a path': uris(`spiffe://${HOME}/ca`),
  'an ID of another domain': uris(`spiffe://${FEDERATED}`),
  'an invalid ID': uris(`spiffe://${HOME}/`),
  'two IDs': uris(`spiffe://${HOME}`, `spiffe://${HOME}`),
  'an https URI': uris(`https://${HOME}/ca`),
  'a DNS name': template({ dnsNames: [`web.${HOME}`] }),
  'two DNS names': template({ dnsNames: [`web.${HOME}`, 'web.invalid'] }),
  'a wildcard DNS name': template({ dnsNames: [`*.${HOME}`] }),
  'an empty DNS name': template({ dnsNames: [''] }),
  'an IP address': template({ ipAddresses: ['10.1.2.3'] }),
  'SAN critical': template({ sanCritical: true }),
  'SAN not critical': template({ sanCritical: false }),
  'no subject': template({ subject: '' }),
  'no subject, SAN not critical': template({ subject: '', sanCritical: false }),
  'the name of its issuer': (draft) => template({ subject: draft.issuerName })(draft),
  'another issuer named': template({ issuer: 'CN=somebody else' }),
  'the issuer in capitals': (draft) => template({ issuer: capitals(draft.issuerName) })(draft),

  'no AKI': template({ authorityKeyIdentifier: false }),
  'a wrong AKI': authorityKeyId(der(SEQUENCE, der(0x80, WRONG_KEY_ID))),
  'an AKI of serial number': authorityKeyId(
    der(SEQUENCE, der(0xa1, der(0x82, 'nobody')), der(0x82, Buffer.from([0x2a]))),
  ),
  'an empty AKI': authorityKeyId(der(SEQUENCE)),
  'no SKI': template({ subjectKeyIdentifier: false }),
  'a wrong SKI': extension(
    { oid: '2.5.29.14', value: der(0x04, WRONG_KEY_ID) },
    { subjectKeyIdentifier: false },
  ),

  'an unknown extension': extension({ oid: UNKNOWN, value: der(SEQUENCE) }),
  'an unknown critical extension': extension({
    oid: UNKNOWN,
    critical: true,
    value: der(SEQUENCE),
  }),
  policies: policies(false, ANY_POLICY),
  'critical policies': policies(true, ANY_POLICY),
  'policy A': policies(true, POLICY_A),
  'policies A and B': policies(false, POLICY_A, POLICY_B),
  'a policy twice': policies(false, POLICY_A, POLICY_A),
  'policy A is policy B': mapping(POLICY_A, POLICY_B),
  'any policy is policy B': mapping(ANY_POLICY, POLICY_B),
  'an explicit policy required': policyConstraints(der(0x80, Buffer.from([0]))),
  'an explicit policy required below': policyConstraints(der(0x80, Buffer.from([1]))),
  'no policies mapped': policyConstraints(der(0x81, Buffer.from([0]))),
  'empty policy constraints': policyConstraints(),
  'no anyPolicy': extension({
    oid: '2.5.29.54',
    critical: true,
    value: der(0x02, Buffer.from([0])),
  }),
  'key usage twice': template({ duplicateExtensions: ['2.5.29.15'] }),

  'signed by a stranger': (draft) => ({ ...draft, isForged: true }),
  'last octet of the signature flipped': (draft) => ({ ...draft, flippedAt: 1 }),
  'an octet within the signature flipped': (draft) => ({ ...draft, flippedAt: 20 }),
  'signed with SHA-1': template({ hash: 'SHA-1' }),
  'signed with SHA-512': template({ hash: 'SHA-512' }),

  'an RSA key of 1024 bits': key('rsa-1024'),
  'an RSA key of 2048 bits': key('rsa-2048'),
  'a P-256 key': key('ec-p256'),
  'a P-384 key': key('ec-p384'),
  'a P-521 key': key('ec-p521'),
  'an Ed25519 key': key('ed25519'),

  'serial number 0': template({ serialNumber: '00' }),
  'a serial number of 20 octets': template({ serialNumber: '7f'.repeat(20) }),
  'a serial number of 21 octets': template({ serialNumber: '7f'.repeat(21) }),
  'the serial number of all': template({ serialNumber: '2a' }),

  ...constraintChanges,
})

function uris(...names: readonly string[]): Edit {
  return (draft) => (draft.isLeaf ? draft : template({ uris: names })(draft))
}

function pathLength(octets: string): Edit {
  const value = der(SEQUENCE, BOOLEAN_TRUE, der(0x02, Buffer.from(octets, 'hex')))
  return basicConstraints(true, value)
}

function key(keyType: Draft['keyType']): Edit {
  return (draft) => ({ ...draft, keyType })
}

// The types of the attributes stay as they are.
function capitals(name: string): string {
  return name.replaceAll(/=([^,]*)/g, (_, value: string) => `=${value.toUpperCase()}`)
}

export function applyChanges(draft: Draft, names: readonly string[]): Draft {
  return names.reduce((changed, name) => changes.get(name)(changed), draft)
}
