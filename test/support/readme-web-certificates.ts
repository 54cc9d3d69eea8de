import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestResponder, WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'

/**
 * Writes what a service with a certificate of the Web PKI has, `web.pem`, `web-key.pem` and, for its renewal, `renewed.pem` and
 * `renewed-key.pem`, and runs the OCSP responder that the certificates name.
 */
export async function openWebCertificates(folders: readonly string[]): Promise<AsyncDisposable> {
  const certificates: WebCertificate[] = []
  const responder = await TestResponder.serve((request) =>
    certificates
      .find(({ certificate }) => request.includes(Buffer.from(certificate.serialNumber, 'hex')))
      ?.answer(),
  )
  const ca = await WebCa.make()
  for (const name of ['web', 'renewed']) {
    const web = await ca.mint({ responderUrls: [responder.url], mustStaple: true })
    certificates.push(web)
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `${name}.pem`), web.cert)
      writeFileSync(join(folder, `${name}-key.pem`), web.key)
    }
  }
  return responder
}
