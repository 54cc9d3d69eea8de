import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import type { Certificate } from '../x509/certificate.ts'
import { commonName, extension, oid } from '../x509/x509.test.support.ts'
import {
  certify,
  party,
  selfSigned,
  svid,
  trusting,
  verdict,
  type Party,
} from './authorities.test.support.ts'

/** What a certificate says of policies. */
export interface PolicyShape {
  /** Letters, each a policy, `*` for anyPolicy; absent for no extension. */
  readonly policies?: string
  /** Pairs such as `A>B C>D`. */
  readonly mappings?: string
  readonly requireExplicitPolicy?: number
  readonly inhibitPolicyMapping?: number
  readonly inhibitAnyPolicy?: number
  /** Whether its name is that of its issuer. */
  readonly isSelfIssued?: boolean
}

const ANY = '2.5.29.32.0'

export const policyOid = (letter: string): Buffer =>
  oid(letter === '*' ? ANY : `1.3.6.1.4.1.99999.32.${letter.codePointAt(0)}`)

export const policiesOf = (...information: readonly Buffer[]): Buffer =>
  extension('2.5.29.32', true, tlv(TAG.sequence, ...information))

export const mappingsOf = (pairs: string): Buffer => {
  const mappings = pairs.split(' ').map((pair) => pair.split('>'))
  const each = mappings.map((pair) => tlv(TAG.sequence, ...pair.map(policyOid)))
  return extension('2.5.29.33', true, tlv(TAG.sequence, ...each))
}

const count = (tag: number, value: number | undefined): readonly Buffer[] =>
  value === undefined ? [] : [tlv(tag, Buffer.from([value]))]

/** The extensions of RFC 5280 §4.2.1.4, 5, 11 and 14 that a shape asks for. */
export function policyExtensions(shape: PolicyShape): Buffer[] {
  const { policies, mappings, inhibitAnyPolicy } = shape
  const constraints = [
    ...count(contextTag(0), shape.requireExplicitPolicy),
    ...count(contextTag(1), shape.inhibitPolicyMapping),
  ]
  const information = Array.from(policies ?? '', (letter) => tlv(TAG.sequence, policyOid(letter)))
  return [
    ...(policies === undefined ? [] : [policiesOf(...information)]),
    ...(mappings === undefined ? [] : [mappingsOf(mappings)]),
    ...(constraints.length === 0
      ? []
      : [extension('2.5.29.36', true, tlv(TAG.sequence, ...constraints))]),
    ...count(TAG.integer, inhibitAnyPolicy).map((value) => extension('2.5.29.54', true, value)),
  ]
}

/**
 * The certificates below an anchor, leaf first. The shapes are in the order of the path, of which the
 * last one is the leaf's.
 */
export function chainBelow(root: Party, shapes: readonly PolicyShape[]): Certificate[] {
  const chain: Certificate[] = []
  let issuer = root
  for (const [index, shape] of shapes.entries()) {
    const more = policyExtensions(shape)
    const isLeaf = index === shapes.length - 1
    const name = shape.isSelfIssued === true ? issuer.name : isLeaf ? 'workload' : `ca ${index}`
    if (isLeaf) return [svid(issuer, { more, draft: { subject: commonName(name) } }), ...chain]
    const subject = party(name)
    chain.unshift(certify(subject, issuer, { more }))
    issuer = subject
  }
  return chain
}

const root = party('root')
const bundles = trusting(selfSigned(root))

/** What becomes of the chain of such certificates below an anchor that says nothing of policies. */
export const answer = (shapes: readonly PolicyShape[]): string =>
  verdict(chainBelow(root, shapes), bundles)

/** A policy is required at once. */
export const required: PolicyShape = { requireExplicitPolicy: 0 }
