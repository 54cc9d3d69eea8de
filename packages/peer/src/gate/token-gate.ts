import type { Peer } from '@fastify-spiffe/plugin-kit'
import { peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import type {
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify'
import { logCaller } from '../request/child-log.ts'
import { presentedTokenOf } from '../request/presented-token.ts'
import { fillSlot } from '../request/slot.ts'
import { takeBearer } from '../token/bearer.ts'
import type { LiveRequests } from '../token/live-requests.ts'
import type { TokenOutcome, TokenProof } from '../token/token-proof.ts'
import { unprovenReasonOf } from './gate.ts'
import { refuse, refuseToken } from './refuse.ts'

/** What the gate of an application with tokens needs. */
export interface TokenGateParts {
  readonly clock: () => number
  readonly proof: TokenProof
  readonly live: LiveRequests
  /** Whether the server verifies certificates: without, no connection has a peer, and tokens are the only proof. */
  readonly isProving: boolean
  readonly logSpiffeId: boolean
}

interface Context {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: HookHandlerDoneFunction
}

/** As `gate`, for an application that takes tokens: a token that is not good is refused beside any certificate. */
export function tokenGate(parts: TokenGateParts): onRequestHookHandler {
  const gatekeeper = new TokenGate(parts)
  return (request, reply, done) => gatekeeper.pass({ request, reply, done })
}

class TokenGate {
  readonly #parts: TokenGateParts

  constructor(parts: TokenGateParts) {
    this.#parts = parts
  }

  pass(context: Context): void {
    const { request } = context
    const bearer = takeBearer(request.raw)
    const connection = this.#connectionOf(context)
    if (connection === undefined) return
    if (bearer.kind === 'malformed') {
      context.done(refuseToken(request, context.reply, { code: 'malformed-header' }))
    } else if (bearer.kind === 'none') {
      admit(context, connection ?? presentedTokenOf(request.raw.socket))
    } else {
      this.#passToken(context, bearer.token, connection)
    }
  }

  #passToken(context: Context, token: string, connection: ConnectionPeer | null): void {
    const { proof } = this.#parts
    const known = proof.cached(token)
    if (known !== undefined) {
      this.#decide(context, proof.outcomeOf(known, connection))
      return
    }
    void this.#verifyToken(context, token)
  }

  async #verifyToken(context: Context, token: string): Promise<void> {
    const { proof } = this.#parts
    const verification = await proof.verify(token)
    // Meanwhile the certificate may have lapsed.
    const connection = this.#connectionOf(context)
    if (connection !== undefined) this.#decide(context, proof.outcomeOf(verification, connection))
  }

  /** `undefined`: the request is refused already. */
  #connectionOf({ request, reply, done }: Context): ConnectionPeer | null | undefined {
    const { isProving, clock } = this.#parts
    const bound = peerOf(request.raw.socket)
    const peer = bound === undefined && !isProving ? null : bound
    const reason = unprovenReasonOf(peer, clock)
    if (reason === null) return peer
    done(refuse(request, reply, reason))
    return undefined
  }

  #decide(context: Context, outcome: TokenOutcome): void {
    const { request, reply, done } = context
    if (!outcome.ok) {
      done(refuseToken(request, reply, outcome))
      return
    }
    const { peer, svid } = outcome
    if (peer.proof === 'jwt-svid') {
      if (this.#parts.logSpiffeId) logCaller(request, reply, peer)
      this.#parts.live.add(reply.raw, svid)
    }
    admit(context, peer)
  }
}

function admit({ request, done }: Context, peer: Peer | null): void {
  fillSlot(request, peer)
  done()
}
