import { TlsError } from '@fastify-spiffe/tls'

/**
 * What OpenSSL says of a chain that it does not accept (`X509_verify_cert_error_string`). gRPC tells the error of a connection
 * by its text alone.
 */
const REASONS: ReadonlySet<string> = new Set([
  'CA certificate key too weak',
  'CA signature digest algorithm too weak',
  'EE certificate key too weak',
  'certificate has expired',
  'certificate is not yet valid',
  'certificate revoked',
  'certificate signature failure',
  'excluded subtree violation',
  'invalid CA certificate',
  'path length constraint exceeded',
  'permitted subtree violation',
  'self signed certificate',
  'self signed certificate in certificate chain',
  'self-signed certificate',
  'self-signed certificate in certificate chain',
  'unable to get issuer certificate',
  'unable to get local issuer certificate',
  'unable to verify the first certificate',
  'unhandled critical extension',
  'unspecified certificate verification error',
  'unsuitable certificate purpose',
  'unsupported certificate purpose',
])

/** The error of a server that OpenSSL has refused before our verifier was asked, by the details of a status; `null`: it has not. */
export function gateRefusal(details: string): TlsError | null {
  const [, text = ''] = /Last error: Error: (?<text>[^.:]+)(?:\.|$)/.exec(details) ?? []
  if (!REASONS.has(text)) return null
  const message = `no authority of the server's trust domain vouches for it: ${text}`
  return new TlsError('server-refused', message)
}
