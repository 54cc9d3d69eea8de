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
} from './events.ts'
import { contextOptions, type MinVersion } from './context-options.ts'
import { losesAuthority } from './lost-authority.ts'
import { assertPresentable, isSameMaterial } from './material.ts'

export interface SecureContextSettings {
  readonly minVersion: MinVersion
  readonly sessionTicketLifetimeMs: number
  readonly clock: () => number
}

/** Makes a server present the SVID that its source holds, and follows its rotations. */
export class SecureContextManager {
  readonly #server: Server
  readonly #source: X509MaterialSource
  readonly #settings: SecureContextSettings
  #svid: X509Svid | null = null
  #bundles: BundleSet
  #generation = 0
  #appliedAt = 0

  /** @throws {@link TlsError} `no-svid` or `invalid-material`: a server starts with a valid SVID */
  constructor(server: Server, source: X509MaterialSource, settings: SecureContextSettings) {
    this.#server = server
    this.#source = source
    this.#settings = settings
    this.#bundles = source.bundles
    if (source.svid === null) {
      throw new TlsError('no-svid', `the source has no SVID to present (state: ${source.state})`)
    }
    this.#apply(source.svid)
    // Before Node's own listener, which takes the context: a closed source publishes no more updates,
    // and timers may be late.
    server.prependListener('connection', () => this.#withdrawExpired())
  }

  /** The SVID that new handshakes present; `null` when there is none. */
  get svid(): X509Svid | null {
    return this.#isExpired ? null : this.#svid
  }

  /** How many SVIDs have been applied. */
  get generation(): number {
    return this.#generation
  }

  /** When the last SVID was applied, in ms since the epoch. */
  get appliedAt(): number {
    return this.#appliedAt
  }

  /** Applies the SVID that the source holds now. If that fails, the last good one stays until it expires. */
  update(): void {
    this.#applyFromSource()
    this.#withdrawExpired()
  }

  #withdrawExpired(): void {
    if (this.#isExpired) this.#withdraw()
  }

  get #isExpired(): boolean {
    return this.#svid?.isExpired(this.#settings.clock()) === true
  }

  #applyFromSource(): void {
    let svid: X509Svid | null
    try {
      svid = this.#source.svid
    } catch (error) {
      if (this.#svid !== null && svidRefused.hasSubscribers) {
        svidRefused.publish(this.#refusedEvent(this.#svid, error))
      }
      return
    }
    if (svid === null) this.#withdraw()
    else if (this.#svid === null || !isSameMaterial(svid, this.#svid)) this.#replace(svid)
    if (this.#settings.sessionTicketLifetimeMs !== 0) this.#endSessionsOfLostAuthorities()
  }

  // Each connection is verified in any case. New ticket keys let a peer start with a full handshake,
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
      if (svidRefused.hasSubscribers) svidRefused.publish(this.#refusedEvent(svid, error))
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
    if (svidApplied.hasSubscribers) svidApplied.publish(this.#appliedEvent(svid))
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
      // Node leaves the PEM on the server, unused: keep the key out of `util.inspect`.
      Reflect.set(this.#server, 'key', undefined)
    }
  }

  #appliedEvent(svid: X509Svid): SvidAppliedEvent {
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

  #refusedEvent({ spiffeId }: X509Svid, error: unknown): SvidRefusedEvent {
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
