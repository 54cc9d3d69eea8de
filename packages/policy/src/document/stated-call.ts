import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import type { CallerProof } from '../call.ts'
import type { RuleLocation } from '../location.ts'
import { readEvidence } from '../principals/behalf.ts'
import { isProof } from '../principals/proof.ts'
import { readAltNames, type StatedAltNames } from './alt-names.ts'

/** On whose behalf a call is made that is thought up. */
export interface StatedChain {
  /** The SPIFFE ID of the workload that the call is made for. */
  readonly origin: string
  /** Those of the workloads between it and the caller, in order. Default: none. */
  readonly via?: readonly string[]
  /** `signed` by each workload on the way, or `forwarded` by a proxy. Default `signed`. */
  readonly evidence?: 'signed' | 'forwarded'
}

/** What is said of a call that is thought up, besides its caller and its route. */
export interface StatedCall {
  /** How the caller is proven. Default `x509-svid`. */
  readonly proof?: CallerProof
  /** Names of the certificate of the caller, beside its SPIFFE ID. Default: none. */
  readonly subjectAltName?: StatedAltNames
  /** On whose behalf the call is made. Default: the caller acts for itself. */
  readonly chain?: StatedChain
  /** The attributes of the request that conditions and engines read. What is not named is absent. */
  readonly attributes?: Readonly<Record<string, string>>
}

/** The keys that {@link readStatedCall} reads. */
export const STATED_KEYS = ['proof', 'subjectAltName', 'chain', 'attributes'] as const

const CHAIN_KEYS = ['origin', 'via', 'evidence'] as const
/** Groups of attributes that follow from what is stated of the caller. */
const FOLLOWING: ReadonlySet<string> = new Set(['chain', 'proof', 'subjectAltName'])

/**
 * Reads what is said of a call that is thought up.
 *
 * @param key - of the object that says it; empty where it has none
 * @param hasCaller - without one a call has neither a proof, names nor a chain
 * @throws {PolicyError} `invalid-rule`
 */
export function readStatedCall(
  place: RuleLocation,
  key: string,
  members: ReadonlyMap<string, unknown>,
  hasCaller: boolean,
): StatedCall {
  const at = (name: string): string => (key === '' ? name : `${key}.${name}`)
  for (const name of ['proof', 'subjectAltName', 'chain']) {
    if (!hasCaller && members.has(name)) place.refuse(at(name), members.get(name), 'needs a caller')
  }
  const proof = readProof(place, at('proof'), members.get('proof'))
  for (const name of ['subjectAltName', 'chain']) {
    if (proof === 'jwt-svid' && members.has(name))
      place.refuse(at(name), members.get(name), 'needs a certificate: proof is jwt-svid')
  }
  const [names, chain] = [members.get('subjectAltName'), members.get('chain')]
  return {
    ...(proof !== undefined && { proof }),
    ...(members.has('subjectAltName') && {
      subjectAltName: readAltNames(place, at('subjectAltName'), names),
    }),
    ...(members.has('chain') && { chain: readChain(place, at('chain'), chain) }),
    attributes: readAttributes(place, at('attributes'), members.get('attributes')),
  }
}

function readProof(place: RuleLocation, key: string, value: unknown): CallerProof | undefined {
  if (value === undefined || isProof(value)) return value
  return place.refuse(key, value, 'must be x509-svid or jwt-svid')
}

function readChain(place: RuleLocation, key: string, value: unknown): StatedChain {
  const members = place.members(key, value, CHAIN_KEYS)
  const via = members.has('via') ? members.get('via') : []
  if (!Array.isArray(via)) return place.refuse(`${key}.via`, via, 'must be a list')
  const evidence = readEvidence(place, key, members)
  return {
    origin: readWorkload(place, `${key}.origin`, members.get('origin')),
    via: via.map((id, index) => readWorkload(place, `${key}.via[${index}]`, id)),
    evidence,
  }
}

/**
 * Reads the SPIFFE ID of a workload.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function readWorkload(place: RuleLocation, key: string, value: unknown): string {
  const id = SpiffeId.safeParse(value)
  if (id.ok && id.value.path !== '') return id.value.toString()
  return place.refuse(key, value, 'must be the SPIFFE ID of a workload')
}

function readAttributes(
  place: RuleLocation,
  key: string,
  attributes: unknown = {},
): Record<string, string> {
  const read: Record<string, string> = Object.create(null)
  for (const [name, value] of place.entries(key, attributes)) {
    const at = `${key}["${describeName(name)}"]`
    const [group = ''] = name.split('.', 1)
    if (FOLLOWING.has(group)) place.refuse(at, value, `follows from \`${group}\`, which states it`)
    if (typeof value !== 'string') return place.refuse(at, value, 'must be a string')
    read[name] = value
  }
  return read
}
