import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { X509MaterialSource } from 'fastify-spiffe'

/**
 * Keeps the SVID of `source` in a folder under the names that spiffe-helper uses, for tools that read
 * files. The private key is readable by its owner alone. Returns the function that stops following.
 */
export function followIntoFolder(source: X509MaterialSource, folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
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
  writeFileSync(next, content, { mode: 0o600 })
  renameSync(next, path)
}
