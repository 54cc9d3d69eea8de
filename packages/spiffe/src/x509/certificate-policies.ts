import { readObjectIdentifier } from '../der/object-identifier.ts'
import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { readCount } from '../der/values.ts'

/** RFC 5280 §4.2.1.4: stands for all policies. */
export const ANY_POLICY = '2.5.29.32.0'

/** A policy of the issuer, and one of the subject that is as good. Object identifiers, dotted. */
export interface PolicyMapping {
  readonly issuerPolicy: string
  readonly subjectPolicy: string
}

/** How many more certificates may follow before each rule holds; `undefined` where it is not there. */
export interface PolicyConstraints {
  /** Until a policy has to be valid for the whole path. */
  readonly requireExplicitPolicy: number | undefined
  /** Until policies are mapped no more. */
  readonly inhibitPolicyMapping: number | undefined
}

/**
 * RFC 5280 §4.2.1.4: the object identifiers, each once, in order. Qualifiers are for people, and are
 * read over whatever they are, as by Go and OpenSSL, also where the extension is critical.
 */
export function readCertificatePolicies(reader: DerReader): readonly string[] {
  const list = reader.enter(TAG.sequence)
  const policies = new Set<string>()
  do {
    const information = list.enter(TAG.sequence)
    const policy = readObjectIdentifier(information)
    skipQualifiers(information.enterIf(TAG.sequence))
    information.end()
    if (policies.has(policy)) throw invalidDer(`policy ${policy} occurs twice`)
    policies.add(policy)
  } while (!list.isAtEnd)
  return Object.freeze([...policies])
}

function skipQualifiers(list: DerReader | undefined): void {
  if (list === undefined) return
  do {
    const qualifier = list.enter(TAG.sequence)
    readObjectIdentifier(qualifier)
    qualifier.unread()
    qualifier.end()
  } while (!list.isAtEnd)
}

/** RFC 5280 §4.2.1.5: a mapping at least, and none from or to anyPolicy. */
export function readPolicyMappings(reader: DerReader): readonly PolicyMapping[] {
  const list = reader.enter(TAG.sequence)
  const mappings: PolicyMapping[] = []
  do {
    const pair = list.enter(TAG.sequence)
    const issuerPolicy = readObjectIdentifier(pair)
    const subjectPolicy = readObjectIdentifier(pair)
    pair.end()
    if (issuerPolicy === ANY_POLICY || subjectPolicy === ANY_POLICY) {
      throw invalidDer('a policy is mapped from or to anyPolicy')
    }
    mappings.push({ issuerPolicy, subjectPolicy })
  } while (!list.isAtEnd)
  return Object.freeze(mappings)
}

/** RFC 5280 §4.2.1.11: one of the two at least. */
export function readPolicyConstraints(reader: DerReader): PolicyConstraints {
  const constraints = reader.enter(TAG.sequence)
  if (constraints.isAtEnd) throw invalidDer('policy constraints are empty')
  const requireExplicitPolicy = readCountIf(constraints, contextTag(0))
  const inhibitPolicyMapping = readCountIf(constraints, contextTag(1))
  constraints.end()
  return Object.freeze({ requireExplicitPolicy, inhibitPolicyMapping })
}

function readCountIf(reader: DerReader, tag: number): number | undefined {
  return reader.peek() === tag ? readCount(reader, tag) : undefined
}

/** RFC 5280 §4.2.1.14: how many more certificates may follow before anyPolicy counts no more. */
export function readInhibitAnyPolicy(reader: DerReader): number {
  return readCount(reader)
}
