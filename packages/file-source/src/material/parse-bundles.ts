import {
  Bundle,
  JwtBundle,
  parseBundleMap,
  SpiffeError,
  X509Bundle,
  type TrustDomain,
} from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { FileSourceError } from '../errors.ts'
import type { BundleFile } from '../reading/file-set.ts'
import { encodingOf } from './encoding.ts'

/** What a file has of one trust domain. PEM and DER have nothing for JWT-SVIDs. */
export interface BundlePart {
  readonly trustDomain: TrustDomain
  readonly x509: X509Bundle
  readonly jwt: JwtBundle | null
}

const MAX_JSON = { maxLength: 16 * 1024 * 1024, maxDepth: 20 }

/**
 * Reads a file with bundles: certificates in PEM or DER, a SPIFFE bundle (a JSON Web Key Set), or a SPIFFE Bundle Map,
 * which stands for itself: only a file that is given for no trust domain in particular may be one.
 *
 * @param own the trust domain of the SVID
 * @throws {@link FileSourceError} `invalid-bundle`
 */
export function parseBundleFile(
  file: BundleFile,
  content: Buffer,
  own: TrustDomain,
): readonly BundlePart[] {
  try {
    return read(content, file.trustDomain ?? own, file.trustDomain === null)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    const message = `${file.name} is refused: ${cause.message}`
    throw new FileSourceError('invalid-bundle', message, { cause })
  }
}

function read(content: Buffer, trustDomain: TrustDomain, takesMap: boolean): readonly BundlePart[] {
  const encoding = encodingOf(content)
  if (encoding === 'der') {
    return [{ trustDomain, x509: X509Bundle.fromDer(trustDomain, content), jwt: null }]
  }
  if (encoding === 'pem') {
    return [{ trustDomain, x509: X509Bundle.fromPem(trustDomain, content), jwt: null }]
  }
  if (!isBundleMap(content)) return [partOf(Bundle.parse(trustDomain, content))]
  if (takesMap) return Array.from(parseBundleMap(content), partOf)
  throw invalid('a Bundle Map stands for no single trust domain: give it as "bundle"')
}

function isBundleMap(content: Buffer): boolean {
  const json = parseJson(content.toString('utf8'), MAX_JSON)
  if (typeof json !== 'object' || json === null || !('trust_domains' in json)) return false
  // It would be read as one by some, and as the other by others.
  if ('keys' in json) throw invalid('it is a JSON Web Key Set and a Bundle Map at once')
  return true
}

function partOf({ trustDomain, x509, jwt }: Bundle): BundlePart {
  return { trustDomain, x509, jwt }
}

function invalid(reason: string): SpiffeError {
  return new SpiffeError('invalid-bundle', reason)
}
