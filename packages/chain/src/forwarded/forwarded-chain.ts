import { actorView, type CallActor, type CallChain } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { VerifiedCertificate } from '@fastify-spiffe/tls'

/** A client, by the word of a proxy: the certificate is good, and nothing shows that the client has its key. */
export class ForwardedChain implements CallChain {
  readonly origin: SpiffeId
  readonly via: readonly SpiffeId[] = Object.freeze([])
  readonly caller: SpiffeId
  readonly evidence = 'forwarded'
  readonly depth = 2
  readonly validUntil: number
  readonly act: CallActor

  constructor(client: VerifiedCertificate, proxy: SpiffeId) {
    this.origin = client.spiffeId
    this.caller = proxy
    this.validUntil = client.currentUntil
    this.act = actorView([client.spiffeId, proxy])
    Object.freeze(this)
  }

  toJSON(): Record<string, unknown> {
    const { origin, via, caller, evidence, validUntil } = this
    return { origin, via, caller, evidence, validUntil }
  }
}
