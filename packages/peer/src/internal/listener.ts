import { identityOf } from '@fastify-spiffe/tls'

/** Whether a server lets in nobody without a certificate. */
export function demandsCertificates(server: object): boolean {
  return identityOf(server)?.clientCertificate === 'required'
}
