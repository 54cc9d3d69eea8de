import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { JwtAuthority } from './jwt-authority.ts'
import type { JwtBundle } from './jwt-bundle.ts'
import type { WitKey } from './read-keys.ts'

/** The parts of a bundle that are written. */
export interface WritableBundle {
  readonly x509: X509Bundle
  readonly jwt: JwtBundle
  readonly witKeys: readonly WitKey[]
  readonly sequence: bigint | null
  readonly refreshHintMs: number | null
}

/** Writes a bundle in the SPIFFE bundle format (SPIFFE Trust Domain and Bundle §4). */
export function writeBundle(bundle: WritableBundle): string {
  const { x509, jwt, witKeys, sequence, refreshHintMs } = bundle
  const keys = [...x509.authorities.map(x509Jwk), ...jwt.authorities.map(jwtJwk), ...witKeys]
  const members = [`"keys":${JSON.stringify(keys)}`]
  // Written by hand: `JSON.stringify` refuses a bigint.
  if (sequence !== null) members.push(`"spiffe_sequence":${sequence}`)
  if (refreshHintMs !== null) members.push(`"spiffe_refresh_hint":${refreshHintMs / 1000}`)
  return `{${members.join(',')}}`
}

function jwtJwk(authority: JwtAuthority): Record<string, unknown> {
  return { ...authority.toJwk(), use: 'jwt-svid' }
}

// Trust Domain and Bundle §4.2.2: with one certificate, and without a key ID.
function x509Jwk(certificate: Certificate): Record<string, unknown> {
  return {
    ...certificate.x509.publicKey.export({ format: 'jwk' }),
    use: 'x509-svid',
    x5c: [certificate.raw.toString('base64')],
  }
}
