import { createSecureContext, type SecureContext } from 'node:tls'
import type { RevocationPolicies, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { contextOptions, type MinVersion } from '../context/context-options.ts'
import { TlsError } from '../errors.ts'
import { PeerVerifier } from '../peer/verifier.ts'

const MAX_CACHED_VERDICTS = 1000

const verifiers = new WeakMap<X509MaterialSource, Map<string, PeerVerifier>>()

/** Returns the verifier that the outgoing connections of a source share if they have the same rules. */
export function verifierOf(
  source: X509MaterialSource,
  revocation: RevocationPolicies,
  clockSkewMs: number,
  allowsOtherTrustDomains: boolean,
): PeerVerifier {
  const ofSource = verifiers.get(source) ?? new Map<string, PeerVerifier>()
  verifiers.set(source, ofSource)
  const key = `${clockSkewMs} ${allowsOtherTrustDomains} ${revocation.key}`
  let verifier = ofSource.get(key)
  if (verifier === undefined) {
    verifier = new PeerVerifier(
      source,
      revocation,
      MAX_CACHED_VERDICTS,
      clockSkewMs,
      allowsOtherTrustDomains,
    )
    ofSource.set(key, verifier)
  }
  return verifier
}

const contexts = new Map<MinVersion, WeakMap<X509Svid, SecureContext>>([
  ['TLSv1.2', new WeakMap()],
  ['TLSv1.3', new WeakMap()],
])

/**
 * Returns the client context of an SVID, which is made once: parsing a key costs more than signing with it.
 * @throws {@link TlsError} `invalid-material`
 */
export function clientContextOf(svid: X509Svid, minVersion: MinVersion): SecureContext {
  const cached = contexts.get(minVersion)
  const known = cached?.get(svid)
  if (known !== undefined) return known
  const context = makeContext(svid, minVersion)
  cached?.set(svid, context)
  return context
}

function makeContext(svid: X509Svid, minVersion: MinVersion): SecureContext {
  try {
    return createSecureContext(contextOptions(svid, minVersion))
  } catch (cause) {
    const message = `the SVID of ${svid.spiffeId.toString()} cannot be used for TLS`
    throw new TlsError('invalid-material', message, { cause })
  }
}
