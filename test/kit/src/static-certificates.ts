import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mintRootCa } from '@fastify-spiffe/authority'

/** Writes what a service with mTLS from files has: certificates of a CA of its own, without SPIFFE IDs. */
export async function writeStaticCertificates(folder: string): Promise<void> {
  const ca = await mintRootCa('files.test', { uris: [] })
  const leaf = async (name: string) => {
    const { certificatesPem, privateKeyPem } = await ca.mint(`spiffe://files.test/${name}`, {
      uris: [],
      dnsNames: ['localhost'],
    })
    writeFileSync(join(folder, `${name}.pem`), certificatesPem)
    writeFileSync(join(folder, `${name}-key.pem`), privateKeyPem)
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'ca.pem'), ca.certificatePem)
  await Promise.all(['server', 'client'].map(leaf))
}
