import type { SourceState, SpiffeId } from '@fastify-spiffe/spiffe'
import type { ServerIdentity } from '@fastify-spiffe/tls'

/**
 * The SVID that the server of the application presents, as `fastify.svid`. A live view: each access reads
 * the current value, and no property can be set.
 */
export class ServedSvid {
  readonly #identity: ServerIdentity

  constructor(identity: ServerIdentity) {
    this.#identity = identity
    Object.freeze(this)
  }

  /** The SPIFFE ID of the service; `null` while there is no SVID to present, and new handshakes fail. */
  get spiffeId(): SpiffeId | null {
    return this.#identity.svid?.spiffeId ?? null
  }

  /** When the SVID becomes valid, in ms since the epoch; `null` while there is none. */
  get notBefore(): number | null {
    return this.#identity.svid?.notBefore ?? null
  }

  /** When the SVID expires, in ms since the epoch; `null` while there is none. */
  get notAfter(): number | null {
    return this.#identity.svid?.notAfter ?? null
  }

  /** How many SVIDs the server has presented; 1 at the start. */
  get generation(): number {
    return this.#identity.generation
  }

  /** The state of the source, such as `ready` or `stale`. */
  get state(): SourceState {
    return this.#identity.state
  }

  toJSON(): object {
    const { spiffeId, notBefore, notAfter, generation, state } = this
    return { spiffeId, notBefore, notAfter, generation, state }
  }
}
