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

/** By SVID and minimum version; `ca` has to be the same for all uses of one cache. */
export class ClientContexts {
  readonly #ofSvids = new WeakMap<X509Svid, Map<MinVersion, SecureContext>>()
  readonly #withoutSvid = new Map<MinVersion, SecureContext>()
  readonly #ca: readonly string[] | undefined

  /** @param ca the authorities that OpenSSL verifies servers with; `undefined`: those of Node */
  constructor(ca: readonly string[] | undefined) {
    this.#ca = ca
  }

  /**
   * Returns the client context of an SVID, or without one of no certificate. It is made once: parsing a key costs more
   * than signing with it.
   * @throws {@link TlsError} `invalid-material`
   */
  of(svid: X509Svid | null, minVersion: MinVersion): SecureContext {
    const contexts = this.#contextsOf(svid)
    const known = contexts.get(minVersion)
    if (known !== undefined) return known
    const context = makeContext(svid, minVersion, this.#ca)
    contexts.set(minVersion, context)
    return context
  }

  #contextsOf(svid: X509Svid | null): Map<MinVersion, SecureContext> {
    if (svid === null) return this.#withoutSvid
    const known = this.#ofSvids.get(svid)
    if (known !== undefined) return known
    const contexts = new Map<MinVersion, SecureContext>()
    this.#ofSvids.set(svid, contexts)
    return contexts
  }
}

/** Without authorities: our verifier verifies the server. */
export const spiffeContexts: ClientContexts = new ClientContexts([])

function makeContext(
  svid: X509Svid | null,
  minVersion: MinVersion,
  ca: readonly string[] | undefined,
): SecureContext {
  try {
    const { ca: _, ...options } = contextOptions(svid, minVersion)
    return createSecureContext(ca === undefined ? options : { ...options, ca: [...ca] })
  } catch (cause) {
    const owner = svid === null ? 'the options' : `the SVID of ${svid.spiffeId.toString()}`
    throw new TlsError('invalid-material', `${owner} cannot be used for TLS`, { cause })
  }
}
