import type { TLSSocket } from 'node:tls'
import type { BundleSet, X509Svid } from '@fastify-spiffe/spiffe'
import { isCurrent, peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import { currentUntil, isSameMaterial } from '@fastify-spiffe/tls/internal'
import type { Client, Dispatcher, Pool } from 'undici'
import { connectorOf, type ConnectionObserver } from './connector.ts'
import { FetchError } from './errors.ts'
import type { Settings } from './options.ts'

/** Undici 7 sends one request at a time over an HTTP/2 connection, unless it is told otherwise. */
const HTTP2_STREAMS = 100

/** What a source has at one moment. */
export interface Material {
  /** `null`: there is none to present, or none is to be presented. */
  readonly svid: X509Svid | null
  /** `undefined`: the source threw. */
  readonly bundles: BundleSet | undefined
}

/** Why the connections of a pool may no longer get new requests. */
export type Staleness = 'svid-renewed' | 'svid-withdrawn' | 'peer-lapsed'

/** The connections to one origin that were made with one SVID. */
export class OriginPool implements ConnectionObserver {
  readonly pool: Pool
  readonly #settings: Settings
  readonly #connecting = new Set<TLSSocket>()
  /** With the server of each; `null`: one of the Web PKI. */
  readonly #open = new Map<TLSSocket, ConnectionPeer | null>()
  readonly #onChange: (pool: OriginPool) => void
  #material: Material
  #trustedUntil = Infinity
  #endsAt = Infinity
  #closed: Promise<void> | undefined
  #hasEnded = false
  #cancelDeadline: () => void = () => {}

  /** @param onChange hears of each connection that was made, failed or closed */
  constructor(
    settings: Settings,
    origin: string | URL,
    material: Material,
    onChange: (pool: OriginPool) => void,
  ) {
    this.#settings = settings
    this.#material = material
    this.#onChange = onChange
    this.pool = new settings.undici.Pool(origin, {
      ...settings.pool,
      allowH2: settings.http2,
      connect: connectorOf(settings, this),
      ...(settings.http2 && { factory: multiplexing(settings) }),
    })
  }

  /** Whether no connection is open or being made. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#connecting.size === 0
  }

  /** Whether nothing is left of it. */
  get isOver(): boolean {
    return this.#hasEnded && this.isIdle
  }

  /** When the proof of one of its servers ends if the bundles stay as they are, in ms since the epoch. */
  get trustedUntil(): number {
    return this.#trustedUntil
  }

  /** Returns why new requests need another pool, if they do. */
  staleness(material: Material, now: number): Staleness | undefined {
    if (!this.#hasPresented(material.svid)) {
      return material.svid === null ? 'svid-withdrawn' : 'svid-renewed'
    }
    if (material.bundles === this.#material.bundles && now < this.#trustedUntil) return undefined
    // Later ones of the same content are recognized without a comparison.
    this.#material = material
    if (this.#lapsedSockets(now).length > 0) return 'peer-lapsed'
    this.#setTrustedUntil()
    return undefined
  }

  /** Whether the proof of a server has ended that a connection is open to. */
  hasLapsed(now: number): boolean {
    return this.#lapsedSockets(now).length > 0
  }

  /** Takes no new requests. Resolves when those have ended that run or wait. */
  close(): Promise<void> {
    // It rejects if the pool was destroyed before.
    this.#closed ??= this.pool.close().then(
      () => this.#onEnd(),
      () => this.#onEnd(),
    )
    return this.#closed
  }

  /**
   * Ends the requests that still run `graceMs` from now. Those that wait for a connection to a server whose proof has
   * ended do not get that one.
   */
  endWithin(graceMs: number, now: number): void {
    const { queued, pending } = this.pool.stats
    if (queued + pending > 0) {
      for (const socket of this.#lapsedSockets(now)) socket.destroy(retired(0))
    }
    if (now + graceMs >= this.#endsAt) return
    this.#cancelDeadline()
    this.#endsAt = now + graceMs
    this.#cancelDeadline = this.#settings.setTimer(() => void this.end(retired(graceMs)), graceMs)
  }

  /** Ends all requests and connections. Resolves when they have ended. */
  async end(reason: Error): Promise<void> {
    this.#cancelDeadline()
    const ending = this.pool.destroy(reason)
    // Those that undici has given away, to WebSockets say. Never without an error: undici 7 throws.
    for (const socket of [...this.#connecting, ...this.#open.keys()]) socket.destroy(reason)
    await ending
    this.#onEnd()
  }

  #onEnd(): void {
    this.#hasEnded = true
    this.#change()
  }

  #change(): void {
    if (this.isOver) this.#cancelDeadline()
    this.#onChange(this)
  }

  onStart(socket: TLSSocket): void {
    this.#connecting.add(socket)
  }

  onOpen(socket: TLSSocket): void {
    this.#connecting.delete(socket)
    this.#open.set(socket, peerOf(socket) ?? null)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#setTrustedUntil()
      this.#change()
    })
    this.#setTrustedUntil()
    this.#change()
  }

  onFailure(socket: TLSSocket | undefined): void {
    if (socket !== undefined) this.#connecting.delete(socket)
    this.#change()
  }

  #hasPresented(svid: X509Svid | null): boolean {
    const presented = this.#material.svid
    if (svid === presented) return true
    if (svid === null || presented === null || !isSameMaterial(svid, presented)) return false
    this.#material = { ...this.#material, svid }
    return true
  }

  #lapsedSockets(now: number): TLSSocket[] {
    return [...this.#open]
      .filter(([, peer]) => peer !== null && !isCurrent(peer, now))
      .map(([socket]) => socket)
  }

  #setTrustedUntil(): void {
    const ends = [...this.#open.values()].map((peer) =>
      peer === null ? Infinity : currentUntil(peer),
    )
    this.#trustedUntil = Math.min(...ends, Infinity)
  }
}

function multiplexing({ undici }: Settings): (origin: URL, options: object) => Dispatcher {
  return (origin, options: Client.Options) => {
    const { connect } = options
    const client = new undici.Client(origin, {
      ...options,
      connect: (target, callback) => {
        if (typeof connect !== 'function') throw new TypeError('the pool has no connector')
        connect(target, (...[error, socket]) => {
          if (error !== null) return callback(error, null)
          if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2')
            client.pipelining = HTTP2_STREAMS
          callback(null, socket)
        })
      },
    })
    return client
  }
}

function retired(graceMs: number): FetchError {
  const message = `the connection had to end, and the request was still running ${graceMs} ms later`
  return new FetchError('connection-retired', message)
}
