import type { SourceState, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import type { SecureContextManager } from '../context/secure-context-manager.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import type { PeerVerifier } from '../peer/verifier.ts'
import type { ConnectionCounts, ConnectionRegistry } from './connection-registry.ts'
import type { ServerCounters } from './server-counters.ts'
import type { ClientCertificateMode } from './modes.ts'

export interface ServerIdentityParts {
  readonly source: X509MaterialSource
  readonly contexts: SecureContextManager
  readonly connections: ConnectionRegistry
  readonly counters: ServerCounters
  readonly verifier: PeerVerifier
  readonly clientCertificate: ClientCertificateMode
  readonly clock: () => number
}

/** How many servers are subscribed to a source. */
const followerCounts = new WeakMap<X509MaterialSource, number>()

/** The identity of one server: the SVID it presents, its connections, and its subscription to the source. */
export class ServerIdentity {
  readonly #parts: ServerIdentityParts
  #unsubscribe: (() => void) | undefined
  #pending = false

  constructor(parts: ServerIdentityParts) {
    this.#parts = parts
    this.#subscribe()
  }

  get source(): X509MaterialSource {
    return this.#parts.source
  }

  /** Whether others use the source: another server, or any other subscriber. */
  get isSourceShared(): boolean {
    const { source } = this.#parts
    const own = this.#unsubscribe === undefined ? 0 : 1
    const followed = (followerCounts.get(source) ?? 0) - own
    // Not every source counts its subscriptions; those that do count the servers too.
    return followed > 0 || (source.subscriptions ?? 0) - own > 0
  }

  /** The SVID that the server presents; `null` while the source has none, and every new handshake fails. */
  get svid(): X509Svid | null {
    return this.#parts.contexts.svid
  }

  /** How many SVIDs the server has presented; 1 at the start. */
  get generation(): number {
    return this.#parts.contexts.generation
  }

  /** Since when the server presents the SVID of this generation, in ms since the epoch. */
  get appliedAt(): number {
    return this.#parts.contexts.appliedAt
  }

  /** The state of the source. */
  get state(): SourceState {
    return this.#parts.source.state
  }

  /** Whether a client has to present a certificate. */
  get clientCertificate(): ClientCertificateMode {
    return this.#parts.clientCertificate
  }

  /** The open connections, counted now. */
  get connections(): ConnectionCounts {
    return this.#parts.connections.counts(this.#parts.clock())
  }

  /** Totals since the server was made, with the number of verdicts that came from the cache. */
  get counters(): Readonly<ServerCounters> & { readonly verdictsFromCache: number } {
    return { ...this.#parts.counters, verdictsFromCache: this.#parts.verifier.hits }
  }

  /**
   * Disconnects the peers for which `predicate` returns true, such as those that a new policy refuses.
   * From then on `isCurrent` is false for them, so that their requests are refused, and their connections
   * are closed as `onPeerExpiry` says, with the reason `refused`. A peer that connects again is verified
   * again and accepted: whether it may do anything is for the policy to decide.
   *
   * The predicate is called once for each peer. When it throws, nobody is disconnected.
   *
   * @returns the number of peers; connections with the same certificate share one peer
   * @throws {@link TlsError} `invalid-option` when the predicate does not return a boolean
   */
  disconnectPeers(predicate: (peer: ConnectionPeer) => boolean): number {
    return this.#parts.connections.disconnectPeers(predicate)
  }

  /** Subscribes to the source again, and applies its SVID. A server does this when it listens. Safe to call twice. */
  open(): void {
    if (this.#unsubscribe !== undefined) return
    this.#subscribe()
    this.#parts.connections.resume()
    this.#follow()
  }

  /**
   * Unsubscribes from the source: the server keeps its SVID, and no longer checks live connections, but
   * `isCurrent` still does. A server does this when it closes. The source is not closed. Safe to call twice.
   */
  close(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#parts.connections.pause()
  }

  #subscribe(): void {
    const { source } = this.#parts
    const unsubscribe = source.onUpdate(() => this.#schedule())
    followerCounts.set(source, (followerCounts.get(source) ?? 0) + 1)
    this.#unsubscribe = () => {
      unsubscribe()
      followerCounts.set(source, (followerCounts.get(source) ?? 1) - 1)
    }
  }

  // Updates of one turn make one new context; no handshake can come in between.
  #schedule(): void {
    if (this.#pending) return
    this.#pending = true
    queueMicrotask(() => {
      this.#pending = false
      if (this.#unsubscribe !== undefined) this.#follow()
    })
  }

  #follow(): void {
    this.#parts.contexts.update()
    this.#parts.connections.sweep()
  }
}

const identities = new WeakMap<object, ServerIdentity>()

/** The property of a server that holds the URL of the copy of this package that made it. */
const MADE_BY = Symbol.for('@fastify-spiffe/tls.made-by')
const HERE = import.meta.url

export function setIdentity(server: object, identity: ServerIdentity): void {
  identities.set(server, identity)
  Object.defineProperty(server, MADE_BY, { value: HERE })
}

/** Returns the identity of a server that `createSvidServer` or `createSvidTlsServer` made; `undefined` for any other. */
export function identityOf(server: object): ServerIdentity | undefined {
  return identities.get(server)
}

/**
 * Returns a message when another copy of this package made the server, which {@link identityOf} therefore
 * does not know. It names both places and the cure. `null` when that is not the case.
 */
export function otherCopyOf(server: object): string | null {
  const madeBy: unknown = Reflect.get(server, MADE_BY)
  if (identities.has(server) || typeof madeBy !== 'string') return null
  return (
    `another copy of @fastify-spiffe/tls (${madeBy}) made this server than the one in use here (${HERE}): ` +
    'install one version of all @fastify-spiffe packages; `npm ls @fastify-spiffe/tls` shows them'
  )
}
