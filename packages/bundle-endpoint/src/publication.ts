import { createHash } from 'node:crypto'
import { Bundle, type JwtBundle, type TrustDomain, type X509Bundle } from '@fastify-spiffe/spiffe'
import { entityTagOf } from './entity-tag.ts'

/** What a bundle consists of, but for its sequence. */
export interface BundleContent {
  readonly trustDomain: TrustDomain
  readonly x509: X509Bundle
  readonly jwt: JwtBundle
  readonly refreshHintMs: number
}

/** A bundle as it is sent: nothing is written anew for a request. */
export interface Publication {
  readonly sequence: bigint
  readonly body: Buffer
  readonly entityTag: string
}

/**
 * Writes a bundle, with its authorities and nothing else: keys for WIT-SVIDs and revocation lists have other ways.
 * @throws {@link SpiffeError} `invalid-certificate` for an authority that OpenSSL does not take
 */
export function writePublication(content: BundleContent, sequence: bigint): Publication {
  const { trustDomain, ...parts } = content
  const body = Buffer.from(Bundle.of(trustDomain, { ...parts, sequence }).stringify())
  return { sequence, body, entityTag: entityTagOf(body) }
}

/**
 * A digest of the content, the same for the same authorities in any order: what it depends on is what makes the
 * sequence grow.
 */
export function contentDigest({ trustDomain, x509, jwt, refreshHintMs }: BundleContent): string {
  const certificates = x509.authorities.map(({ raw }) => raw.toString('base64'))
  const keys = jwt.authorities.map(({ jwk }) => JSON.stringify(jwk))
  const parts = [trustDomain.name, refreshHintMs, certificates.toSorted(), keys.toSorted()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}
