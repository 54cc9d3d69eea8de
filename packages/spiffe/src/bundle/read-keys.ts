import { createPublicKey } from 'node:crypto'
import { decodeBase64 } from '../base64.ts'
import { sameBytes } from '../x509/bytes.ts'
import { Certificate } from '../x509/certificate.ts'
import type { SubjectPublicKey } from '../x509/public-key.ts'
import type { Steps } from '../steps.ts'
import { curveOfPoint } from './curve-point.ts'
import { hasPrivatePart, octetsOf, type IgnoredKeyReason, type Jwk } from './jwk.ts'
import { JwtAuthority } from './jwt-authority.ts'

/** A key of a bundle that was passed over, and counts for nothing. */
export interface IgnoredKey {
  /** Its place in `keys`. */
  readonly index: number
  readonly reason: IgnoredKeyReason
}

/** A key for WIT-SVIDs as a JSON Web Key, with its public members alone. */
export type WitKey = Readonly<Record<string, string>>

/** The keys of a bundle by their use. */
export interface BundleKeys {
  readonly certificates: readonly Certificate[]
  readonly jwtAuthorities: readonly JwtAuthority[]
  readonly witKeys: readonly WitKey[]
  readonly ignored: readonly IgnoredKey[]
}

const WIT_MEMBERS = ['kty', 'use', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'] as const
const CERTIFIED_TYPES: ReadonlySet<unknown> = new Set(['EC', 'RSA', 'OKP'])
/** The members that make a key, of any type that certificates have (RFC 7518 §6, RFC 8037 §2). */
const KEY_MEMBERS = ['crv', 'x', 'y', 'n', 'e'] as const

/** SPIFFE Trust Domain and Bundle §4.2: the keys of each use, and of others none. */
export function* readKeys(keys: readonly Jwk[]): Steps<BundleKeys> {
  const certificates: Certificate[] = []
  const jwtAuthorities: JwtAuthority[] = []
  const witKeys: WitKey[] = []
  const ignored: IgnoredKey[] = []
  for (const [index, key] of keys.entries()) {
    const read = readKey(key)
    if (typeof read === 'string') ignored.push(Object.freeze({ index, reason: read }))
    else if (read instanceof Certificate) certificates.push(read)
    else if (read instanceof JwtAuthority) jwtAuthorities.push(read)
    else witKeys.push(read)
    yield
  }
  return { certificates, jwtAuthorities, witKeys, ignored }
}

function readKey(key: Jwk): Certificate | JwtAuthority | WitKey | IgnoredKeyReason {
  switch (key['use']) {
    case 'x509-svid':
      return readX509Authority(key)
    case 'jwt-svid':
      return JwtAuthority.read(key)
    case 'wit-svid':
      return readWitKey(key)
    default:
      return 'unknown-use'
  }
}

function readX509Authority(key: Jwk): Certificate | IgnoredKeyReason {
  if (!CERTIFIED_TYPES.has(key['kty'])) return 'unknown-key-type'
  if (hasPrivatePart(key)) return 'private-key'
  const { x5c } = key
  // X509-SVID §6.2: one certificate; what comes after the first is ignored.
  const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined
  if (first === undefined) return 'no-certificate'
  const certificate = readCertificate(first)
  if (certificate === null) return 'invalid-certificate'
  return isKeyOf(certificate, key) ? certificate : 'certificate-mismatch'
}

function readCertificate(value: unknown): Certificate | null {
  const der = typeof value === 'string' ? decodeBase64(value) : null
  if (der === null) return null
  try {
    return Certificate.fromDer(der)
  } catch {
    return null
  }
}

/** RFC 7517 §4.7: the other members are the key of the certificate, if they are there. */
function isKeyOf({ publicKey }: Certificate, key: Jwk): boolean {
  const given = KEY_MEMBERS.filter((name) => key[name] !== undefined)
  if (given.length === 0) return true
  return key['kty'] === 'EC' ? isPointOf(publicKey, key) : isImportedAs(publicKey, given, key)
}

/** OpenSSL takes a millisecond to import such a key; its point ends what the certificate says. */
function isPointOf({ spki, curve }: SubjectPublicKey, key: Jwk): boolean {
  const [x, y] = [octetsOf(key['x']), octetsOf(key['y'])]
  const named = curveOfPoint(key['crv'], x, y)
  if (named === undefined || named !== curve) return false
  return sameBytes(Buffer.concat([x, y]), spki.subarray(-2 * x.length))
}

function isImportedAs({ spki }: SubjectPublicKey, names: readonly string[], key: Jwk): boolean {
  // It takes long to import a long key.
  if (names.some((name) => String(key[name]).length > 2 * spki.length)) return false
  const members = Object.fromEntries(names.map((name) => [name, key[name]]))
  try {
    const imported = createPublicKey({
      key: { ...members, kty: String(key['kty']) },
      format: 'jwk',
    })
    return sameBytes(imported.export({ format: 'der', type: 'spki' }), spki)
  } catch {
    return false
  }
}

/** Whether both are the same key, with the same key ID and algorithm. */
export function isSameWitKey(one: WitKey, other: WitKey | undefined): boolean {
  return WIT_MEMBERS.every((name) => one[name] === other?.[name])
}

function readWitKey(key: Jwk): WitKey | IgnoredKeyReason {
  if (hasPrivatePart(key)) return 'private-key'
  const { kty, kid } = key
  if (typeof kty !== 'string') return 'unknown-key-type'
  if (typeof kid !== 'string' || kid === '') return 'no-key-id'
  const members: Record<string, string> = {}
  for (const name of WIT_MEMBERS) {
    const value = key[name]
    if (typeof value === 'string') members[name] = value
  }
  return Object.freeze(members)
}
