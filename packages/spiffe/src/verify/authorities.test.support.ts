import { createHash, generateKeyPairSync } from 'node:crypto'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { Certificate } from '../x509/certificate.ts'
import {
  bitString,
  commonName,
  extension,
  forge,
  leafExtensions,
  newKeyPair,
  NULL,
  oid,
  publicKeyInfo,
  TRUE,
  type Draft,
  type KeyPair,
} from '../x509/x509.test.support.ts'
import type { RefusalCode } from './refusal.ts'
import { verifyX509Svid, type VerificationBudget } from './verify-x509-svid.ts'

/** Who signs, and is certified. */
export interface Party {
  readonly name: string
  readonly keys: KeyPair
}

export const party = (name: string, keys: KeyPair = newKeyPair()): Party => ({ name, keys })

export const keysOn = (namedCurve: string): KeyPair => generateKeyPairSync('ec', { namedCurve })

export interface Shape {
  /** Whether the certificate names its own key and that of its issuer. Default `true`. */
  readonly keyIds?: boolean
  /** The number, or the octets of the INTEGER, whatever these are. */
  readonly pathLength?: number | Buffer
  readonly more?: readonly Buffer[]
  /** What else differs; its extensions take the place of all others. */
  readonly draft?: Draft
}

export const PAST: Draft = { validity: validity('100101000000Z', '110101000000Z') }
export const FUTURE: Draft = { validity: validity('480101000000Z', '490101000000Z') }

function validity(notBefore: string, notAfter: string): Buffer {
  return tlv(TAG.sequence, tlv(TAG.utcTime, notBefore), tlv(TAG.utcTime, notAfter))
}

/** A certificate of `issuer` for the authority `subject`. */
export function certify(subject: Party, issuer: Party, shape: Shape = {}): Certificate {
  const { pathLength } = shape
  const octets = typeof pathLength === 'number' ? Buffer.from([pathLength]) : pathLength
  const length = octets === undefined ? [] : [tlv(TAG.integer, octets)]
  const extensions = [
    extension('2.5.29.15', true, bitString(Buffer.from([0x06]), 1)),
    extension('2.5.29.19', true, tlv(TAG.sequence, TRUE, ...length)),
  ]
  return issue(subject, issuer, extensions, shape)
}

export const selfSigned = (subject: Party, shape: Shape = {}): Certificate =>
  certify(subject, subject, shape)

/** A good leaf of `issuer`, where the shape is silent. */
export function svid(issuer: Party, shape: Shape = {}): Certificate {
  return issue(party('workload'), issuer, leafExtensions(), shape)
}

function issue(subject: Party, issuer: Party, own: Buffer[], shape: Shape): Certificate {
  const { keyIds = true, more = [], draft = {} } = shape
  const names = keyIds ? [subjectKeyId(subject), authorityKeyId(issuer)] : []
  return Certificate.fromDer(
    forge({
      subject: commonName(subject.name),
      issuer: commonName(issuer.name),
      subjectKeys: subject.keys,
      issuerKeys: issuer.keys,
      algorithm: algorithmOf(issuer),
      extensions: [...own, ...names, ...more],
      ...draft,
    }),
  )
}

export function algorithmOf({ keys }: Party): Buffer {
  return keys.privateKey.asymmetricKeyType === 'rsa'
    ? tlv(TAG.sequence, oid('1.2.840.113549.1.1.11'), NULL)
    : tlv(TAG.sequence, oid('1.2.840.10045.4.3.2'))
}

function keyIdOf({ keys }: Party): Buffer {
  return createHash('sha256').update(publicKeyInfo(keys)).digest().subarray(0, 20)
}

export const subjectKeyId = (subject: Party): Buffer =>
  extension('2.5.29.14', false, tlv(TAG.octetString, keyIdOf(subject)))

export const authorityKeyId = (issuer: Party): Buffer =>
  extension('2.5.29.35', false, tlv(TAG.sequence, tlv(contextTag(0), keyIdOf(issuer))))

export function trusting(...authorities: readonly Certificate[]): BundleSet {
  return BundleSet.of(X509Bundle.of(TrustDomain.parse('example.org'), authorities))
}

/** Room for what fits into one message of TLS, as OpenSSL takes it. */
export const ROOMY: VerificationBudget = { maxCertificates: 400, maxBytes: 102_400 }

export function verdict(
  chain: readonly Certificate[],
  bundles: BundleSet,
  budget: VerificationBudget = {},
): RefusalCode | 'accepted' {
  const outcome = verifyX509Svid(chain, bundles, { clock: () => Date.UTC(2026, 5, 1), budget })
  return outcome.ok ? 'accepted' : outcome.code
}

/** How many signature checks it takes to decide: with one fewer, the budget is exceeded. */
export function checksFor(
  chain: readonly Certificate[],
  bundles: BundleSet,
  budget: VerificationBudget = {},
): number {
  let [tooFew, enough] = [-1, 1024]
  while (enough - tooFew > 1) {
    const maxSignatureChecks = (tooFew + enough) >> 1
    const isSpent = verdict(chain, bundles, { ...budget, maxSignatureChecks }) === 'budget-exceeded'
    if (isSpent) tooFew = maxSignatureChecks
    else enough = maxSignatureChecks
  }
  return enough
}
