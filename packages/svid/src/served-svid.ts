import type { SourceState, SpiffeId } from '@fastify-spiffe/spiffe'
import type { ServerIdentity } from '@fastify-spiffe/tls'

/**
 * The SVID that the application's server presents at this moment, as `fastify.svid`. A live view:
 * every property is read anew, and none can be set.
 */
export class ServedSvid {
  readonly #identity: ServerIdentity

  constructor(identity: ServerIdentity) {
    this.#identity = identity
    Object.freeze(this)
  }

  /** The service's own SPIFFE ID; `null` while there is no SVID to present, and new handshakes fail. */
  get spiffeId(): SpiffeId | null {
    return this.#identity.svid?.spiffeId ?? null
  }

  /** From when the SVID is valid, in ms since the epoch; `null` while there is none. */
  get notBefore(): number | null {
    return this.#identity.svid?.notBefore ?? null
  }

  /** Until when it is, in ms since the epoch; `null` while there is none. */
  get notAfter(): number | null {
    return this.#identity.svid?.notAfter ?? null
  }

  /** Grows by one with each SVID that is put on the wire; 1 at the start. */
  get generation(): number {
    return this.#identity.generation
  }

  /** Where the source of the SVID stands, such as `ready` or `stale`. */
  get state(): SourceState {
    return this.#identity.state
  }

  toJSON(): object {
    const { spiffeId, notBefore, notAfter, generation, state } = this
    return { spiffeId, notBefore, notAfter, generation, state }
  }
}
