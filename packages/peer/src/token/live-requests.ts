import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { VerifiedJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { DeadlineTimer } from '@fastify-spiffe/tls/internal'

type Response = ServerResponse | Http2ServerResponse

/** As servers of `spiffeServer` give to responses when a certificate lapses. */
const GRACE_MS = 10_000
/** How often is looked whether the authority of a token has left its bundle. */
const LOOK_MS = 1000

/**
 * Ends the responses that are still running some time after the token of their request is worth nothing any more: it has expired,
 * or its authority has left the bundle. Nothing is done for the connection, which behind a gateway is one for many callers, beyond
 * what HTTP/1.1 has no other way for.
 */
export class LiveRequests {
  readonly #running = new Map<Response, { readonly svid: VerifiedJwtSvid; endsAt: number }>()
  readonly #holds: (svid: VerifiedJwtSvid) => boolean
  readonly #clock: () => number
  readonly #timer: DeadlineTimer

  constructor(
    holds: (svid: VerifiedJwtSvid) => boolean,
    clock: () => number,
    setTimer: SetTimer = setUnreferencedTimer,
  ) {
    this.#holds = holds
    this.#clock = clock
    this.#timer = new DeadlineTimer(clock, setTimer, () => this.#sweep())
  }

  get size(): number {
    return this.#running.size
  }

  add(response: Response, svid: VerifiedJwtSvid): void {
    if (isOver(response)) return
    this.#running.set(response, { svid, endsAt: Infinity })
    response.once('close', () => this.#running.delete(response))
    this.#timer.scheduleBy(this.#clock() + LOOK_MS)
  }

  #sweep(): void {
    const now = this.#clock()
    for (const [response, request] of this.#running) {
      if (request.endsAt === Infinity && !this.#holds(request.svid)) request.endsAt = now + GRACE_MS
      if (isOver(response)) this.#running.delete(response)
      else if (now >= request.endsAt) end(response)
    }
    if (this.#running.size > 0) this.#timer.scheduleBy(now + LOOK_MS)
  }
}

function isOver(response: Response): boolean {
  if (response.writableFinished) return true
  return 'stream' in response ? response.stream.destroyed : response.destroyed
}

function end(response: Response): void {
  // RFC 9113 §5.4.2: of HTTP/2 the stream alone.
  if ('stream' in response) response.stream.close(8)
  else response.destroy()
}
