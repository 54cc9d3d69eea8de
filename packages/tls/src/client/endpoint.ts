import { createSecureContext, type SecureContext } from 'node:tls'
import type { X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { contextOptions, type MinVersion } from '../context/context-options.ts'
import { PeerVerifier } from '../peer/verifier.ts'

const MAX_CACHED_VERDICTS = 1000

const verifiers = new WeakMap<X509MaterialSource, PeerVerifier>()

/** The verifier that all outgoing connections of one source share. */
export const verifierOf = (source: X509MaterialSource): PeerVerifier => {
  let verifier = verifiers.get(source)
  if (verifier === undefined) {
    verifier = new PeerVerifier(source, MAX_CACHED_VERDICTS)
    verifiers.set(source, verifier)
  }
  return verifier
}

const contexts = new Map<MinVersion, WeakMap<X509Svid, SecureContext>>([
  ['TLSv1.2', new WeakMap()],
  ['TLSv1.3', new WeakMap()],
])

/** The client context of one SVID: made once, since parsing a key costs more than a handshake's signature. */
export const clientContextOf = (svid: X509Svid, minVersion: MinVersion): SecureContext => {
  const made = contexts.get(minVersion)
  const known = made?.get(svid)
  if (known !== undefined) return known
  const context = createSecureContext(contextOptions(svid, minVersion))
  made?.set(svid, context)
  return context
}
