import type { Server } from 'node:tls'
import type { BundleSet, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import {
  svidApplied,
  svidRefused,
  svidWithdrawn,
  type SvidAppliedEvent,
  type SvidRefusedEvent,
  type SvidWithdrawnEvent,
} from '../events.ts'
import { contextOptions, type MinVersion } from './context-options.ts'
import { losesAuthority } from './lost-authority.ts'
import { assertPresentable, isSameMaterial } from './material.ts'

export interface SecureContextSettings {
  readonly minVersion: MinVersion
  readonly sessionTicketLifetimeMs: number
  readonly clock: () => number
}

/** Keeps the SVID on a server's wire equal to the one its source holds. */
export class SecureContextManager {
  readonly #server: Server
  readonly #source: X509MaterialSource
  readonly #settings: SecureContextSettings
  #svid: X509Svid | null = null
  #bundles: BundleSet
  #generation = 0
  #appliedAt = 0

  /** @throws {@link TlsError} `no-svid` or `invalid-material`: a server starts with an identity */
  constructor(server: Server, source: X509MaterialSource, settings: SecureContextSettings) {
    this.#server = server
    this.#source = source
    this.#settings = settings
    this.#bundles = source.bundles
    if (source.svid === null) {
      throw new TlsError('no-svid', `the source has no SVID to present (state: ${source.state})`)
    }
    this.#apply(source.svid)
    // Ahead of Node's own listener, which takes the context: a source that was closed says nothing more, and
    // timers may be late.
    server.prependListener('connection', () => this.#withdrawExpired())
  }

  /** The SVID that new handshakes present; `null` while there is none. */
  get svid(): X509Svid | null {
    return this.#isExpired ? null : this.#svid
  }

  /** How many SVIDs have been applied. */
  get generation(): number {
    return this.#generation
  }

  /** When the last one was, in ms since the epoch. */
  get appliedAt(): number {
    return this.#appliedAt
  }

  /** Applies what the source holds now. On failure the last good SVID stays until it expires. */
  update(): void {
    this.#follow()
    this.#withdrawExpired()
  }

  #withdrawExpired(): void {
    if (this.#isExpired) this.#withdraw()
  }

  get #isExpired(): boolean {
    return this.#svid?.isExpired(this.#settings.clock()) === true
  }

  #follow(): void {
    let svid: X509Svid | null
    try {
      svid = this.#source.svid
    } catch (error) {
      if (this.#svid !== null && svidRefused.hasSubscribers) {
        svidRefused.publish(this.#refusal(this.#svid, error))
      }
      return
    }
    if (svid === null) this.#withdraw()
    else if (this.#svid === null || !isSameMaterial(svid, this.#svid)) this.#replace(svid)
    if (this.#settings.sessionTicketLifetimeMs !== 0) this.#endSessionsOfLostAuthorities()
  }

  // A peer is judged at each connection all the same. With new ticket keys it also starts afresh,
  // instead of failing for as long as it offers its old session.
  #endSessionsOfLostAuthorities(): void {
    const before = this.#bundles
    try {
      this.#bundles = this.#source.bundles
    } catch {
      return
    }
    if (this.#svid !== null && losesAuthority(before, this.#bundles)) {
      this.#setContext(this.#contextOf(this.#svid))
    }
  }

  #replace(svid: X509Svid): void {
    try {
      this.#apply(svid)
    } catch (error) {
      if (svidRefused.hasSubscribers) svidRefused.publish(this.#refusal(svid, error))
    }
  }

  #apply(svid: X509Svid): void {
    const now = this.#settings.clock()
    const options = this.#contextOf(svid)
    assertPresentable(svid, options, now)
    try {
      this.#setContext(options)
    } catch (cause) {
      const message = `the SVID of ${svid.spiffeId.toString()} cannot be used for TLS`
      throw new TlsError('invalid-material', message, { cause })
    }
    this.#svid = svid
    this.#generation++
    this.#appliedAt = now
    if (svidApplied.hasSubscribers) svidApplied.publish(this.#application(svid))
  }

  #withdraw(): void {
    if (this.#svid === null) return
    const { spiffeId } = this.#svid
    this.#setContext(contextOptions(null, this.#settings.minVersion))
    this.#svid = null
    if (svidWithdrawn.hasSubscribers) {
      const event = { server: this.#server, spiffeId, generation: this.#generation }
      svidWithdrawn.publish(Object.freeze<SvidWithdrawnEvent>(event))
    }
  }

  #contextOf(svid: X509Svid): ReturnType<typeof contextOptions> {
    const { minVersion, sessionTicketLifetimeMs } = this.#settings
    return contextOptions(svid, minVersion, sessionTicketLifetimeMs)
  }

  #setContext(options: ReturnType<typeof contextOptions>): void {
    try {
      this.#server.setSecureContext(options)
    } finally {
      // Node leaves the PEM on the server, for no further use: keep the key out of `util.inspect`.
      Reflect.set(this.#server, 'key', undefined)
    }
  }

  #application(svid: X509Svid): SvidAppliedEvent {
    return Object.freeze({
      server: this.#server,
      spiffeId: svid.spiffeId,
      serialNumber: svid.leaf.serialNumber,
      notBefore: svid.notBefore,
      notAfter: svid.notAfter,
      generation: this.#generation,
      appliedAt: this.#appliedAt,
    })
  }

  #refusal({ spiffeId }: X509Svid, error: unknown): SvidRefusedEvent {
    const message = error instanceof Error ? error.message : 'unknown failure'
    return Object.freeze({
      server: this.#server,
      spiffeId,
      code: 'invalid-material',
      message,
      generation: this.#generation,
    })
  }
}
