import { parseJson } from '@fastify-spiffe/spiffe/internal'

/** RFC 7468, RFC 1421, OpenPGP; then the forms of OpenSSH, PuTTY and age. */
const PEM =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|openssh-key-v1\0|PuTTY-User-Key-File-|AGE-SECRET-KEY-1/
/** RFC 7518 §6.2.2, §6.3.2, §6.4: of elliptic curves, of RSA, and of symmetric keys. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const BASE64 = /^[A-Za-z0-9+/_-]{40,}={0,2}$/
const MAX_DEPTH = 500
/** A key in a text in a text … ends here. */
const MAX_LAYERS = 3

/**
 * Whether a file holds a private or secret key: in PEM, as a JSON Web Key, in DER (PKCS #1, #8, #12, SEC 1), or any of
 * these in a string of a JSON text, in base64 too. A key that is hidden on purpose is not found.
 */
export function holdsPrivateKey(bytes: Uint8Array): boolean {
  return hasKey(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)
}

function hasKey(bytes: Buffer, layer: number): boolean {
  if (isPrivateDer(bytes)) return true
  const text = bytes.toString('utf8')
  // Each second octet of UTF-16 is 0.
  if (PEM.test(text) || PEM.test(text.replaceAll('\0', ''))) return true
  const value = jsonOf(text)
  return value !== undefined ? hasKeyInJson(value, layer) : hasEncodedKey(text.trim(), layer)
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text, { maxDepth: MAX_DEPTH, hidesKeys: true })
  } catch {
    return looseJson(text)
  }
}

/** What is refused as a bundle later may still be a key to others. */
function looseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function hasKeyInJson(root: unknown, layer: number): boolean {
  const open: unknown[] = [root]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === 'string' && hasKeyInString(value, layer)) return true
    if (typeof value !== 'object' || value === null) continue
    if (isPrivateJwk(value) || Object.keys(value).some((name) => PEM.test(name))) return true
    for (const each of Object.values(value)) if (each !== undefined) open.push(each)
  }
  return false
}

function isPrivateJwk(value: object): boolean {
  if (!Object.hasOwn(value, 'kty')) return false
  return PRIVATE_MEMBERS.some((name) => Object.hasOwn(value, name))
}

function hasKeyInString(text: string, layer: number): boolean {
  if (PEM.test(text)) return true
  if (layer >= MAX_LAYERS) return false
  if (/^\s*[[{]/.test(text)) {
    const value = looseJson(text)
    if (value !== undefined && hasKeyInJson(value, layer + 1)) return true
  }
  return hasEncodedKey(text, layer)
}

function hasEncodedKey(text: string, layer: number): boolean {
  if (layer >= MAX_LAYERS) return false
  const compact = text.replaceAll(/\s/g, '')
  return BASE64.test(compact) && hasKey(Buffer.from(compact, 'base64'), layer + 1)
}

/** The version as an INTEGER, and the tag after it. */
const VERSIONS: ReadonlySet<string> = new Set([
  // PKCS #8 (RFC 5958): 0 or 1, and a SEQUENCE.
  '02010030',
  '02010130',
  // PKCS #1 (RFC 8017): 0 or 1, and an INTEGER.
  '02010002',
  '02010102',
  // SEC 1 (RFC 5915): 1, and an OCTET STRING.
  '02010104',
  // PKCS #12 (RFC 7292): 3, and a SEQUENCE.
  '02010330',
])

/**
 * The begin of a private key in DER: a SEQUENCE that is the whole, whose first element is the version that only these
 * have, and then what only these have. A certificate begins with a SEQUENCE.
 */
function isPrivateDer(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false
  const first = bytes[1] ?? 0
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f)
  if (bytes[start] === 0x30) return isEncryptedPkcs8(bytes.subarray(start))
  return VERSIONS.has(bytes.subarray(start, start + 4).toString('hex'))
}

/** RFC 5958 §3: the object identifiers of PKCS #5 and PKCS #12, after two SEQUENCEs. */
function isEncryptedPkcs8(algorithm: Buffer): boolean {
  const head = algorithm.subarray(2, 12).toString('hex')
  return head.startsWith('06092a864886f70d0105') || head.startsWith('060a2a864886f70d010c')
}
