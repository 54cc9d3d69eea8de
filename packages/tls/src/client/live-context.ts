import { randomBytes, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type {
  BundleSet,
  SpiffeIdMatcher,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import { contextOptions, type MinVersion } from '../context/context-options.ts'
import { WebPki } from './web-pki.ts'

/** What a {@link LiveContext} is made of. */
export interface LiveContextParts {
  readonly source: X509MaterialSource
  readonly server: SpiffeIdMatcher | WebPki
  readonly minVersion: MinVersion
}

/** The state of the source that a context was made for. */
interface Made {
  readonly svid: X509Svid | null
  readonly bundles: BundleSet | null
  readonly context: SecureContext
}

/**
 * A secure context that is always made of what the source holds at the moment. Clients keep one object of options for all
 * their connections; `tls.connect` reads `context` each time.
 *
 * The property is a getter of the class, so that whoever copies or serializes the options neither freezes the SVID nor
 * reads its key.
 */
export class LiveContext implements SecureContext {
  readonly #parts: LiveContextParts
  #made: Made | null = null

  constructor(parts: LiveContextParts) {
    this.#parts = parts
  }

  /**
   * The native context. It never throws, because clients that see an error here never connect again: without an SVID or
   * bundles, no handshake succeeds with it.
   */
  get context(): unknown {
    const svid = this.#read((source) => source.svid)
    const bundles = this.#read((source) => source.bundles)
    if (this.#made?.svid !== svid || this.#made.bundles !== bundles) {
      this.#made = { svid, bundles, context: this.#make(svid, bundles) }
    }
    const { context }: { readonly context?: unknown } = this.#made.context
    refuseFormerSessions(context)
    return context
  }

  #read<T>(read: (source: X509MaterialSource) => T): T | null {
    try {
      return read(this.#parts.source)
    } catch {
      return null
    }
  }

  #make(svid: X509Svid | null, bundles: BundleSet | null): SecureContext {
    const { server, minVersion } = this.#parts
    const nothing = contextOptions(null, minVersion)
    // With authorities but without an SVID, a server that asks for no certificate would see the request.
    if (svid === null || bundles === null) return createSecureContext(nothing)
    try {
      if (server instanceof WebPki) return server.contexts.of(svid, minVersion)
      const options = contextOptions(svid, minVersion)
      return createSecureContext({ ...options, ca: anchors(bundles, server), ...PARTIAL_CHAINS })
    } catch {
      return createSecureContext(nothing)
    }
  }
}

/** The authorities of all trust domains that the server may be of. */
function anchors(bundles: BundleSet, { trustDomains }: SpiffeIdMatcher): string[] {
  const trusted = [...bundles].filter(
    ({ trustDomain }) => trustDomains === null || trustDomains.has(trustDomain.name),
  )
  return trusted.flatMap(({ authorities }) =>
    authorities.map(({ raw }) => new X509Certificate(raw).toString()),
  )
}

/**
 * Lets no connection resume a session of an earlier one. Node would verify nothing in it, and clients that keep sessions
 * offer them by themselves. OpenSSL aborts a handshake in which the server resumes a session of another session ID context,
 * and each connection takes the name that its context has when the connection is made.
 */
function refuseFormerSessions(context: unknown): void {
  if (typeof context !== 'object' || context === null) return
  // A method of the native context, which Node itself calls for the option `sessionIdContext`.
  const rename: unknown = Reflect.get(context, 'setSessionIdContext')
  if (typeof rename === 'function') rename.call(context, randomBytes(16).toString('hex'))
}

/** An authority of a bundle may be an intermediate (X509-SVID §4.1). */
const PARTIAL_CHAINS = { allowPartialTrustChain: true }
