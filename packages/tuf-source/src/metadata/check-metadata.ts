import { SpiffeError } from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { TufError } from '../errors.ts'

/** Deeper metadata is nobody's. */
const MAX_DEPTH = 32
/** Patterns of all roles that one role delegates to. */
const MAX_PATTERNS = 4096
const MAX_PATTERN_LENGTH = 1000
/** In one segment: each one more makes a search that finds nothing longer by the length of the segment. */
const MAX_WILDCARDS = 4
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** With a zone: without one, a time means another instant on each machine. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

type Members = Readonly<Record<string, unknown>>

/**
 * Refuses what `tuf-js` takes although it can be understood in two ways: JSON with a key twice, octets that are not
 * UTF-8, versions that are no whole numbers from 1 on or are too large to be counted, times without a zone, and a role
 * in which one key stands under two names, so that one signature would count twice.
 *
 * @param role the role whose metadata this is, for the message
 * @throws {@link TufError} `invalid-metadata`
 */
export function checkMetadata(role: string, bytes: Uint8Array): void {
  const document = parse(role, bytes)
  const signed = members(member(document, 'signed'))
  if (signed === null) throw invalid(role, 'has no signed part')
  checkVersion(role, signed['version'])
  checkExpiry(role, signed['expires'])
  for (const listed of Object.values(members(signed['meta']) ?? {})) {
    checkVersion(role, member(listed, 'version'))
    checkLength(role, member(listed, 'length'))
  }
  for (const listed of Object.values(members(signed['targets']) ?? {})) {
    checkLength(role, member(listed, 'length'))
  }
  checkKeys(role, signed)
}

function parse(role: string, bytes: Uint8Array): unknown {
  try {
    return parseJson(UTF_8.decode(bytes), { maxDepth: MAX_DEPTH, hidesKeys: true })
  } catch (cause) {
    const reason = cause instanceof SpiffeError ? cause.message : 'it is not UTF-8'
    throw invalid(role, `cannot be read: ${reason}`)
  }
}

function checkVersion(role: string, version: unknown): void {
  if (Number.isSafeInteger(version) && Number(version) >= 1) return
  throw invalid(role, 'has a version that is not a whole number from 1 on')
}

function checkLength(role: string, length: unknown): void {
  if (length === undefined || (Number.isSafeInteger(length) && Number(length) >= 0)) return
  throw invalid(role, 'has a length that is not a whole number')
}

function checkExpiry(role: string, expires: unknown): void {
  const isTime = typeof expires === 'string' && TIME.test(expires)
  if (isTime && Number.isFinite(Date.parse(expires))) return
  throw invalid(role, 'has an expiry that is not a time in UTC')
}

function checkKeys(role: string, signed: Members): void {
  const delegations = members(signed['delegations'])
  if (delegations !== null) {
    const { roles, succinct_roles: succinct } = delegations
    const list: readonly unknown[] = Array.isArray(roles) ? roles : []
    checkRoles(role, delegations['keys'], [...list, succinct])
    checkPatterns(
      role,
      list.flatMap((each) => member(each, 'paths') ?? []),
    )
  }
  if (signed['_type'] !== 'root') return
  checkRoles(role, signed['keys'], Object.values(members(signed['roles']) ?? {}))
}

/**
 * `tuf-js` understands more than the wildcards of the specification (§4.5), which others take for letters, and matches them
 * with regular expressions that whoever signs for a delegated role could make endless.
 */
function checkPatterns(role: string, patterns: readonly unknown[]): void {
  if (patterns.length > MAX_PATTERNS) throw invalid(role, `has more than ${MAX_PATTERNS} patterns`)
  if (patterns.every((each) => typeof each === 'string' && isPlainPattern(each))) return
  throw invalid(role, 'has a pattern that can be read in two ways')
}

function isPlainPattern(pattern: string): boolean {
  if (pattern.length > MAX_PATTERN_LENGTH || /[(){}|\\]|^[!#]|\/[!#]/.test(pattern)) return false
  return pattern.split('/').every((segment) => segment.split('*').length <= MAX_WILDCARDS + 1)
}

function checkRoles(role: string, keys: unknown, roles: readonly unknown[]): void {
  for (const each of roles) {
    const { keyids, threshold, name } = members(each) ?? {}
    if (typeof name === 'string' && name in Object.prototype) {
      throw invalid(role, 'delegates to a role of a reserved name')
    }
    if (threshold !== undefined && !Number.isSafeInteger(threshold)) {
      throw invalid(role, 'has a threshold that is not a whole number')
    }
    if (Array.isArray(keyids)) checkDistinct(role, keys, keyids)
  }
}

function checkDistinct(role: string, keys: unknown, keyIds: readonly unknown[]): void {
  const seen = new Set<string>()
  for (const keyId of keyIds) {
    const key = typeof keyId === 'string' ? member(keys, keyId) : undefined
    const material = member(member(key, 'keyval'), 'public')
    if (typeof material !== 'string') continue
    if (seen.size === seen.add(canonicalKey(material)).size) {
      throw invalid(role, 'has one key under two names in the same role')
    }
  }
}

function canonicalKey(material: string): string {
  const text = material.replaceAll(/\s/g, '')
  return /^[0-9a-f]*$/i.test(text) ? text.toLowerCase() : text
}

function members(value: unknown): Members | null {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON that is an object
  return typeof value === 'object' && value !== null ? (value as Members) : null
}

function member(value: unknown, name: string): unknown {
  const object = members(value)
  return object !== null && Object.hasOwn(object, name) ? object[name] : undefined
}

function invalid(role: string, fault: string): TufError {
  return new TufError('invalid-metadata', `${describeRole(role)} ${fault}`)
}

const TOP_LEVEL: ReadonlySet<string> = new Set(['root', 'timestamp', 'snapshot', 'targets'])

/** How messages call a role: the name of a delegated one is whatever its delegator says. */
export function describeRole(role: string): string {
  return TOP_LEVEL.has(role) ? `the metadata of ${role}` : 'the metadata of a delegated role'
}
