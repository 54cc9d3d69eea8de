import type { SourceState, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import type { SecureContextManager } from '../context/secure-context-manager.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import type { PeerVerifier } from '../peer/verifier.ts'
import type { ClientCertificateMode } from './acceptor.ts'
import type { ConnectionCounts, ConnectionRegistry } from './connection-registry.ts'
import type { ServerCounters } from './server-counters.ts'

export interface ServerIdentityParts {
  readonly source: X509MaterialSource
  readonly contexts: SecureContextManager
  readonly connections: ConnectionRegistry
  readonly counters: ServerCounters
  readonly verifier: PeerVerifier
  readonly clientCertificate: ClientCertificateMode
  readonly clock: () => number
}

/** How many servers follow a source. */
const followers = new WeakMap<X509MaterialSource, number>()

/** The identity of one server: what it presents, to whom, and the link to its source. */
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

  /** Whether others need the source: a server that follows it, or whoever has subscribed to it. */
  get isSourceShared(): boolean {
    const { source } = this.#parts
    const own = this.#unsubscribe === undefined ? 0 : 1
    const followed = (followers.get(source) ?? 0) - own
    // Not every source counts; those who do count the servers too.
    return followed > 0 || (source.subscriptions ?? 0) - own > 0
  }

  /** The SVID on the wire; `null` while the source has none, and every new handshake fails. */
  get svid(): X509Svid | null {
    return this.#parts.contexts.svid
  }

  /** Grows by one with each SVID put on the wire; 1 at the start. */
  get generation(): number {
    return this.#parts.contexts.generation
  }

  /** When the SVID of this generation was put on the wire, in ms since the epoch. */
  get appliedAt(): number {
    return this.#parts.contexts.appliedAt
  }

  /** The state of the source. */
  get state(): SourceState {
    return this.#parts.source.state
  }

  /** Whether a client has to show a certificate. */
  get clientCertificate(): ClientCertificateMode {
    return this.#parts.clientCertificate
  }

  /** The open connections, counted now. */
  get connections(): ConnectionCounts {
    return this.#parts.connections.counts(this.#parts.clock())
  }

  /** Totals since the server was made, and how many verdicts came from the cache. */
  get counters(): Readonly<ServerCounters> & { readonly verdictsFromCache: number } {
    return { ...this.#parts.counters, verdictsFromCache: this.#parts.verifier.hits }
  }

  /**
   * Sends away the live peers that `predicate` names, such as those that a new policy refuses. What they
   * proved holds no more from this moment on, so that who asks `isCurrent` refuses their requests, and
   * their connections go as `onPeerExpiry` says, with the reason `refused`. A peer that connects anew
   * is verified anew: to keep it out is the part of the policy.
   *
   * Each peer is asked about once. When the predicate throws, nobody is sent away.
   *
   * @returns how many peers there were; several connections of one certificate share theirs
   * @throws {@link TlsError} `invalid-option` when the predicate says neither true nor false
   */
  disconnectPeers(predicate: (peer: ConnectionPeer) => boolean): number {
    return this.#parts.connections.disconnectPeers(predicate)
  }

  /** Follows the source again, and catches up with it. A server does this by itself when it listens. Safe to call twice. */
  open(): void {
    if (this.#unsubscribe !== undefined) return
    this.#subscribe()
    this.#parts.connections.open()
    this.#follow()
  }

  /**
   * Stops following the source: the SVID on the wire stays, and live connections are no longer
   * judged, except by who asks `isCurrent`. A server does this by itself when it closes. The source itself is not closed. Safe to call twice.
   */
  close(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#parts.connections.close()
  }

  #subscribe(): void {
    const { source } = this.#parts
    const unsubscribe = source.onUpdate(() => this.#schedule())
    followers.set(source, (followers.get(source) ?? 0) + 1)
    this.#unsubscribe = () => {
      unsubscribe()
      followers.set(source, (followers.get(source) ?? 1) - 1)
    }
  }

  // A burst of updates is one new context; no handshake can come in between.
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

/** Carries the place of the copy of this package that made a server. */
const MADE_BY = Symbol.for('@fastify-spiffe/tls.made-by')
const HERE = import.meta.url

export const setIdentity = (server: object, identity: ServerIdentity): void => {
  identities.set(server, identity)
  Object.defineProperty(server, MADE_BY, { value: HERE })
}

/** The identity of a server that `createSvidServer` or `createSvidTlsServer` made; `undefined` for any other. */
export const identityOf = (server: object): ServerIdentity | undefined => identities.get(server)

/**
 * Why {@link identityOf} does not know a server that was made for SVIDs all the same: another copy of this package made
 * it. The text names both places and the cure; `null` where that is not so.
 */
export const otherCopyOf = (server: object): string | null => {
  const place: unknown = Reflect.get(server, MADE_BY)
  if (identities.has(server) || typeof place !== 'string') return null
  return (
    `another copy of @fastify-spiffe/tls made this server (${place}) than is asked here (${HERE}): install one version of all ` +
    '@fastify-spiffe packages, which `npm ls @fastify-spiffe/tls` shows'
  )
}
