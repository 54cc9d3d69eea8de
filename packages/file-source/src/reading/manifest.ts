import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { FileSourceError } from '../errors.ts'
import { assertChecksum, isSha256, type Checksums } from './checksums.ts'

/** A line of `sha256sum`: the digest, a blank, a blank or an asterisk, and the name. */
const LINE = /^(?<digest>[0-9a-f]{64}) [ *](?<name>[^\0\\]{1,4096})$/
const MAX_LINES = 1000
const UTF_8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads a manifest as `sha256sum` writes it. Names are relative to its folder. A name that occurs twice is refused, and so
 * is a line that is anything else, a comment included.
 *
 * @param path of the manifest, absolute
 * @throws {@link FileSourceError} `invalid-manifest`
 */
export function readManifest(path: string, content: Uint8Array): Checksums {
  const checksums = new Map<string, readonly string[]>()
  for (const line of linesOf(content)) {
    const { digest, name } = LINE.exec(line)?.groups ?? {}
    if (!isSha256(digest) || name === undefined) {
      throw invalid('a line of it is not a SHA-256 and a name, as sha256sum writes them')
    }
    const file = resolve(dirname(path), name)
    if (checksums.has(file)) throw invalid('it names a file twice')
    checksums.set(file, [digest])
  }
  return checksums
}

/**
 * Verifies the detached signature of a manifest: of Ed25519, or of ECDSA with SHA-256 in DER, as `openssl` makes them.
 * @throws {@link FileSourceError} `invalid-manifest`
 */
export function assertSigned(content: Uint8Array, signature: Uint8Array, key: KeyObject): void {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  if (verify(algorithm, content, key, signature)) return
  throw invalid('its signature is not one of the given key')
}

/**
 * Refuses a file that the manifest does not name, or not with this content.
 * @throws {@link FileSourceError} `invalid-manifest`, `checksum-mismatch`
 */
export function assertListed(
  file: { readonly path: string; readonly name: string },
  content: Uint8Array,
  listed: Checksums,
): void {
  if (!listed.has(file.path)) throw invalid(`it does not name ${file.name}`)
  assertChecksum(file, content, listed)
}

/** Reads the key that signs manifests; `undefined` if it is none that may. */
export function readManifestKey(pem: string | Uint8Array): KeyObject | undefined {
  try {
    const text = typeof pem === 'string' ? pem : UTF_8.decode(pem)
    // `createPublicKey` would take a private key as well, and it does not belong here.
    if (!text.includes('-----BEGIN PUBLIC KEY-----')) return undefined
    const key = createPublicKey(text)
    const curve = key.asymmetricKeyDetails?.namedCurve
    const isFit = key.asymmetricKeyType === 'ed25519' || curve === 'prime256v1'
    return isFit ? key : undefined
  } catch {
    return undefined
  }
}

function linesOf(content: Uint8Array): readonly string[] {
  let text: string
  try {
    text = UTF_8.decode(content)
  } catch {
    throw invalid('it is not UTF-8')
  }
  // A last line without its end may be half of one.
  if (!text.endsWith('\n')) throw invalid('its last line does not end')
  const lines = text.slice(0, -1).split('\n')
  if (lines.length > MAX_LINES) throw invalid(`it has more than ${MAX_LINES} lines`)
  return lines
}

function invalid(reason: string): FileSourceError {
  return new FileSourceError('invalid-manifest', `the manifest is refused: ${reason}`)
}
