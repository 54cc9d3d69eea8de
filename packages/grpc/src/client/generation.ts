import { Channel, type ChannelInterface, status } from '@grpc/grpc-js'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'
import { type ConnectionPeer, isCurrent, type TlsError } from '@fastify-spiffe/tls'
import { credentialsOf } from './channel-credentials.ts'
import type { ChannelSettings } from './options.ts'
import { withTokens } from './token-credentials.ts'

/** A call that runs, as far as it can be cancelled. */
export interface Cancellable {
  cancelWithStatus(code: status, details: string): void
}

export interface GenerationParts {
  readonly settings: ChannelSettings
  /** The SVID that its connections present; `null`: the source has none. */
  readonly svid: X509Svid | null
  /** Called once it is closed. */
  readonly onClosed: (generation: Generation) => void
  /** Called when it may serve no new calls: it has reached its age, or a server is not to be trusted any more. */
  readonly onStale: (generation: Generation) => void
}

/** The connections of a channel that were made with one SVID, and their calls. */
export class Generation {
  readonly channel: ChannelInterface
  readonly svid: X509Svid | null
  readonly #settings: ChannelSettings
  readonly #calls = new Set<Cancellable>()
  readonly #peers = new Set<ConnectionPeer>()
  readonly #onStale: () => void
  readonly #onClosed: () => void
  #refusal: TlsError | null = null
  #isRetired = false
  #isClosed = false
  #cancelExpiry = (): void => undefined
  #cancelAge = (): void => undefined
  #cancelGrace = (): void => undefined

  constructor({ settings, svid, onStale, onClosed }: GenerationParts) {
    this.svid = svid
    this.#settings = settings
    this.#onStale = () => onStale(this)
    this.#onClosed = () => onClosed(this)
    const listener = {
      onProven: (peer: ConnectionPeer) => this.#onProven(peer),
      onRefused: (error: TlsError) => (this.#refusal = error),
    }
    this.channel = new Channel(
      settings.target,
      withTokens(credentialsOf(settings.tls, listener), settings.jwt),
      settings.grpc,
    )
    if (settings.maxConnectionAgeMs === Infinity) return
    this.#cancelAge = settings.setTimer(this.#onStale, settings.maxConnectionAgeMs)
  }

  /** The servers that have proven themselves, and are still to be trusted. */
  get peers(): readonly ConnectionPeer[] {
    return [...this.#peers].filter((peer) => isCurrent(peer, this.#settings.clock()))
  }

  /** Whether all servers that have proven themselves are still to be trusted. */
  get isTrusted(): boolean {
    return this.peers.length === this.#peers.size
  }

  /** Why the last server was refused; `null`: the last one was not. */
  get refusal(): TlsError | null {
    return this.#refusal
  }

  add(call: Cancellable): void {
    this.#calls.add(call)
  }

  remove(call: Cancellable): void {
    this.#calls.delete(call)
    if (this.#isRetired && this.#calls.size === 0) this.close()
  }

  /**
   * Takes no new calls any more, and closes when those that run have ended. A channel of gRPC that closes would fail calls
   * that still wait for their connection.
   *
   * @param graceMs after which they are cancelled; `Infinity`: never
   */
  retire(graceMs: number): void {
    this.#isRetired = true
    if (this.#calls.size === 0) this.close()
    else if (graceMs !== Infinity) {
      this.#cancelGrace()
      this.#cancelGrace = this.#settings.setTimer(() => this.#cancelCalls(), graceMs)
    }
  }

  /** Closes: calls that run go on, and those that wait for a connection fail. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelExpiry()
    this.#cancelAge()
    this.#cancelGrace()
    this.channel.close()
    this.#onClosed()
  }

  #onProven(peer: ConnectionPeer): void {
    this.#refusal = null
    this.#peers.add(peer)
    this.#cancelExpiry()
    const earliest = Math.min(...Array.from(this.#peers, ({ notAfter }) => notAfter))
    const delayMs = Math.min(Math.max(earliest - this.#settings.clock(), 0), MAX_TIMER_MS)
    if (!this.#isClosed) this.#cancelExpiry = this.#settings.setTimer(this.#onStale, delayMs)
  }

  #cancelCalls(): void {
    for (const call of this.#calls) {
      call.cancelWithStatus(status.UNAVAILABLE, 'the connection has come to its end')
    }
  }
}
