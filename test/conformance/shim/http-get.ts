import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { Answer } from './answer.ts'
import { relayed, type IncomingChain } from './chain-relay.ts'
import { observePeers, failure, withDispatcher, type OutgoingCall } from './outgoing.ts'

interface GetCall extends OutgoingCall, IncomingChain {
  readonly headers?: Record<string, string>
  readonly audience?: string
  readonly onBehalfOfCurrent?: boolean
  readonly timeoutMs?: number
}

/** `POST /v2/http/get`: one request, with a client of its own. */
export async function httpGet(source: X509MaterialSource, call: GetCall): Promise<Answer> {
  if (call.onBehalfOfCurrent === true) return relay(source, call)
  return send(source, call)
}

/** Sends one request, and says who answered. */
async function send(source: X509MaterialSource, call: GetCall): Promise<Answer> {
  const servers = new Map<string, string>()
  const observed = observePeers((origin, { spiffeId }) => {
    servers.set(origin, spiffeId.toString())
  })
  try {
    return await withDispatcher(source, call, async ({ fetch }) => {
      const { headers = {}, timeoutMs } = call
      const signal = timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }
      const response = await fetch(call.url, { headers, ...signal })
      const body = await response.text()
      return {
        code: 200,
        body: {
          status: 'ok',
          httpStatus: response.status,
          headers: Object.fromEntries(response.headers),
          body,
          spiffe_id: servers.get(new URL(response.url).origin) ?? null,
        },
      }
    })
  } catch (error) {
    return failure(error)
  } finally {
    observed[Symbol.dispose]()
  }
}

/** `POST /v2/chain/relay`: the same, on behalf of the caller of a call that the judge describes. */
export async function relay(source: X509MaterialSource, call: GetCall): Promise<Answer> {
  const made = relayed(source, call)
  return made.ok ? send(source, { ...call, headers: made.headers }) : made.answer
}
