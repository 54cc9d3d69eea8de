import {
  canonicalIpAddress,
  MAX_ALT_NAMES,
  presentedDnsName,
} from '@fastify-spiffe/spiffe/internal'
import type { RuleLocation } from '../location.ts'

/** Names of a certificate beside its SPIFFE ID, of a caller that is thought up. */
export interface StatedAltNames {
  /** DNS names, with wildcards as certificates may have them. Default: none. */
  readonly dns?: readonly string[]
  /** IP addresses. Default: none. */
  readonly ip?: readonly string[]
}

const CANONICAL = { dns: presentedDnsName, ip: canonicalIpAddress } as const
const KINDS = ['dns', 'ip'] as const
/** As many as are read of a certificate, one of which is its SPIFFE ID. */
const MAX_NAMES = MAX_ALT_NAMES - 1

/**
 * Reads such names. One that could match nothing is refused: what is said of a caller with it would prove nothing.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function readAltNames(place: RuleLocation, key: string, value: unknown): StatedAltNames {
  const members = place.members(key, value, KINDS)
  const stated: { -readonly [K in keyof StatedAltNames]: StatedAltNames[K] } = {}
  for (const kind of KINDS) {
    if (members.has(kind)) {
      stated[kind] = place.list(`${key}.${kind}`, members.get(kind), (at, text) => {
        const name = typeof text === 'string' ? CANONICAL[kind](text) : undefined
        return name ?? place.refuse(at, text, `is no ${kind} name that can match`)
      })
    }
  }
  const { dns = [], ip = [] } = stated
  if (dns.length + ip.length > MAX_NAMES) place.fail(key, `has more than ${MAX_NAMES} names`)
  return stated
}
