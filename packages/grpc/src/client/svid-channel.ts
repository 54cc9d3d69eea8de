import { type ChannelInterface, connectivityState } from '@grpc/grpc-js'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '@fastify-spiffe/tls'
import { isSameMaterial } from '@fastify-spiffe/tls/internal'
import { Generation } from './generation.ts'
import { type ChannelSettings, readChannelOptions, type SvidChannelOptions } from './options.ts'
import { type ChannelCall, type OpenedCall, TrackedCall } from './tracked-call.ts'

/**
 * A channel of gRPC that presents the SVID of a source, and sends calls only to a server that has proven a SPIFFE ID which
 * `server` matches. It is what clients take as `channelOverride`; {@link createGrpcClient} does so.
 *
 * When the source has another SVID, or trust in a server ends, new calls use a new connection. Running calls go on: on the
 * old SVID until they end, and for `graceMs` where trust in the server has ended.
 *
 * A call that fails because its server was refused has the status UNAVAILABLE, and the `TlsError` as `cause`.
 */
export class SvidChannel implements ChannelInterface {
  readonly #settings: ChannelSettings
  readonly #retired = new Set<Generation>()
  readonly #unsubscribe: () => void
  #current: Generation
  #isClosed = false

  /**
   * @throws {@link GrpcError} `unknown-option`, `invalid-option`
   * @throws `TlsError` `invalid-option`
   */
  constructor(options: SvidChannelOptions) {
    this.#settings = readChannelOptions(options)
    this.#current = this.#begin()
    this.#unsubscribe = options.source.onUpdate(() => this.#followSource())
  }

  /** The servers that have proven themselves on the connections for new calls, and are still to be trusted. */
  get peers(): readonly ConnectionPeer[] {
    return this.#current.peers
  }

  createCall(...args: Parameters<ChannelInterface['createCall']>): ChannelCall {
    const open = (): OpenedCall | null => {
      if (this.#isClosed) return null
      this.#replaceUntrusted()
      const generation = this.#current
      return { generation, call: generation.channel.createCall(...args) }
    }
    return new TrackedCall(open, this.#settings)
  }

  /** Closes: running calls go on, and those that wait for a connection fail. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unsubscribe()
    for (const generation of [this.#current, ...this.#retired]) generation.close()
    this.#retired.clear()
  }

  getTarget(): string {
    return this.#current.channel.getTarget()
  }

  getConnectivityState(tryToConnect: boolean): connectivityState {
    return this.#current.channel.getConnectivityState(tryToConnect)
  }

  watchConnectivityState(...args: Parameters<ChannelInterface['watchConnectivityState']>): void {
    this.#current.channel.watchConnectivityState(...args)
  }

  getChannelzRef(): ReturnType<ChannelInterface['getChannelzRef']> {
    return this.#current.channel.getChannelzRef()
  }

  #begin(): Generation {
    return new Generation({
      settings: this.#settings,
      svid: svidOf(this.#settings),
      onStale: (generation) => this.#onStale(generation),
      onClosed: (generation) => this.#retired.delete(generation),
    })
  }

  #followSource(): void {
    if (!isSame(svidOf(this.#settings), this.#current.svid)) this.#replace(Infinity)
    this.#replaceUntrusted()
    for (const generation of this.#retired) {
      if (!generation.isTrusted) generation.retire(this.#settings.graceMs)
    }
  }

  #replaceUntrusted(): void {
    if (!this.#current.isTrusted) this.#replace(this.#settings.graceMs)
  }

  #onStale(generation: Generation): void {
    if (generation === this.#current) this.#replace(this.#settings.graceMs)
    else generation.retire(this.#settings.graceMs)
  }

  #replace(graceMs: number): void {
    if (this.#isClosed) return
    const former = this.#current
    // While it is still connected, so that the next call need not wait.
    const isReady = former.channel.getConnectivityState(false) === connectivityState.READY
    this.#current = this.#begin()
    if (isReady) this.#current.channel.getConnectivityState(true)
    this.#retired.add(former)
    former.retire(graceMs)
  }
}

function svidOf({ tls }: ChannelSettings): X509Svid | null {
  try {
    return tls.source.svid
  } catch {
    return null
  }
}

function isSame(one: X509Svid | null, other: X509Svid | null): boolean {
  return one === null || other === null ? one === other : isSameMaterial(one, other)
}
