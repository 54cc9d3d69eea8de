import type { Channel } from '../channel/channel.ts'
import { workloadApiMethod } from '../channel/definition.ts'
import type { Method } from '../channel/definition.ts'
import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import { decodeWitBundlesResponse, decodeWitSvidResponse } from '../messages/decode-jwt.ts'
import { parseName } from '../messages/bundles.ts'
import { LIMITS, checkLimit } from '../messages/limits.ts'
import { parseWitSvids } from '../messages/wit-svids.ts'
import type { WitSvid } from '../messages/wit-svids.ts'
import type { CallScope } from '../watch/call-scope.ts'
import { firstOf } from '../watch/streams.ts'

/**
 * The methods for WIT-SVIDs, which few endpoints have. One that does not have them says so once and is not asked again
 * (Workload API §7): the answer is remembered.
 */
export class WitProfile {
  readonly #channel: Channel
  #unimplemented: WorkloadApiError | undefined

  constructor(channel: Channel) {
    this.#channel = channel
  }

  async fetchSvids(spiffeId: string, scope: CallScope): Promise<readonly WitSvid[]> {
    const method = workloadApiMethod('FetchWITSVID')
    const message = await this.#first(method, { spiffeId }, scope)
    return parseWitSvids(decodeWitSvidResponse(message, method.responseDeserialize))
  }

  async fetchBundles(scope: CallScope): Promise<ReadonlyMap<string, string>> {
    const method = workloadApiMethod('FetchWITBundles')
    const message = await this.#first(method, {}, scope)
    const bundles = decodeWitBundlesResponse(message, method.responseDeserialize)
    if (bundles.size === 0) throw new WorkloadApiError('invalid-message', 'a message has no bundle')
    checkLimit('bundles', bundles.size, LIMITS.bundles)
    return new Map(Array.from(bundles, ([name, jwks]) => [nameOf(name), jwks]))
  }

  /** The first message of a stream. */
  async #first(method: Method, request: object, scope: CallScope): Promise<Buffer> {
    if (this.#unimplemented !== undefined) throw this.#unimplemented
    try {
      return await firstOf(this.#channel.receive(method, scope.signal, request))
    } catch (cause) {
      const error = toWorkloadApiError(cause)
      if (error.code === 'unimplemented') this.#unimplemented = error
      throw error
    }
  }
}

function nameOf(id: string): string {
  try {
    return parseName(id).name
  } catch (cause) {
    const message = 'the name of a WIT bundle is not the SPIFFE ID of a trust domain'
    throw new WorkloadApiError('invalid-message', message, { cause })
  }
}
