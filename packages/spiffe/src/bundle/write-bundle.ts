import type { JsonWebKey } from 'node:crypto'
import { SpiffeError } from '../errors.ts'
import type { Steps } from '../steps.ts'
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
export function* writeBundle(bundle: WritableBundle): Steps<string> {
  const { x509, jwt, witKeys, sequence, refreshHintMs } = bundle
  const keys: string[] = []
  for (const certificate of x509.authorities) {
    keys.push(JSON.stringify(x509Jwk(certificate)))
    yield
  }
  for (const key of [...jwt.authorities.map(jwtJwk), ...witKeys]) {
    keys.push(JSON.stringify(key))
    yield
  }
  const members = [`"keys":[${keys.join(',')}]`]
  // Written by hand: `JSON.stringify` refuses a bigint.
  if (sequence !== null) members.push(`"spiffe_sequence":${sequence}`)
  if (refreshHintMs !== null) members.push(`"spiffe_refresh_hint":${refreshHintMs / 1000}`)
  return `{${members.join(',')}}`
}

function jwtJwk({ jwk }: JwtAuthority): Record<string, unknown> {
  return { ...jwk, use: 'jwt-svid' }
}

// X509-SVID §6.1: with one certificate, and without a key ID.
function x509Jwk(certificate: Certificate): Record<string, unknown> {
  return {
    ...publicJwk(certificate),
    use: 'x509-svid',
    x5c: [certificate.raw.toString('base64')],
  }
}

function publicJwk(certificate: Certificate): JsonWebKey {
  try {
    return certificate.x509.publicKey.export({ format: 'jwk' })
  } catch (cause) {
    // Such as a point that is not on its curve, which our reader does not look for.
    const message = 'OpenSSL does not take the key of an authority'
    throw new SpiffeError('invalid-certificate', message, { cause })
  }
}
