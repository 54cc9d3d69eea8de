import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { X509MaterialSource } from 'fastify-spiffe'

/**
 * Keeps the SVID of `source` in a folder under the names that spiffe-helper uses, for tools that read
 * files. The private key is readable by its owner alone. Returns the function that stops following.
 */
export function followIntoFolder(source: X509MaterialSource, folder: string): () => void {
  // One that exists keeps its mode: it may hold what others are to read.
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const write = (): void => {
    const { svid } = source
    if (svid === null) return
    const bundle = source.bundles.get(svid.spiffeId.trustDomain)
    const authorities = bundle?.authorities.map(({ x509 }) => x509.toString()).join('') ?? ''
    replace(join(folder, 'svid_key.pem'), svid.exportPrivateKeyPem())
    replace(join(folder, 'svid.pem'), svid.exportCertificatesPem())
    replace(join(folder, 'svid_bundle.pem'), authorities)
  }
  write()
  return source.onUpdate(write)
}

/** Readers see the old file or the new one, whole. */
function replace(path: string, content: string): void {
  const next = `${path}.next`
  rmSync(next, { force: true })
  // A new file, with this mode from the first moment: never one that somebody else has put there.
  writeFileSync(next, content, { mode: 0o600, flag: 'wx' })
  renameSync(next, path)
}
