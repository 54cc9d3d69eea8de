import type { BundleSet, JwtBundle } from '@fastify-spiffe/spiffe'

import { workloadApiMethod } from '../channel/definition.ts'
import type { MethodName } from '../channel/definition.ts'
import type { Channel } from '../channel/channel.ts'
import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import { parseX509Bundles } from '../messages/bundles.ts'
import { decodeX509BundlesResponse, decodeX509SvidResponse } from '../messages/decode.ts'
import { decodeJwtBundlesResponse } from '../messages/decode-jwt.ts'
import type { JwtBundleReader } from '../messages/jwt-bundles.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import { parseX509Context } from '../messages/x509-context.ts'
import type { X509Context } from '../messages/x509-context.ts'
import { readX509Message } from '../messages/x509-message.ts'
import { Review } from './review.ts'
import type { Received } from './watch.ts'

type Decode = (message: Buffer) => object

/** One stream of `FetchX509SVID`, read at the time at which each message comes. */
export function receiveX509Contexts(
  channel: Channel,
  clock: () => number,
  signal: AbortSignal,
): AsyncGenerator<Received<X509Context>, void> {
  return receive(channel, 'FetchX509SVID', signal, (message, decode) =>
    parseX509Context(decodeX509SvidResponse(message, decode), clock),
  )
}

/** One stream of `FetchX509SVID`, whose messages can be held against the clock again. */
export async function* receiveX509Reviews(
  channel: Channel,
  clock: () => number,
  signal: AbortSignal,
): AsyncGenerator<Received<Review>, void> {
  const reviews = receive(channel, 'FetchX509SVID', signal, (message, decode) => {
    const read = readX509Message(decodeX509SvidResponse(message, decode))
    return { value: new Review(read, clock()), problems: [] }
  })
  for await (const received of reviews) {
    const review = received.ok ? received.message.value : undefined
    if (review === undefined || review.outcome.ok) yield received
    else yield { ok: false, error: review.outcome.error, value: review }
  }
}

/** One stream of `FetchX509Bundles`. */
export function receiveX509Bundles(
  channel: Channel,
  signal: AbortSignal,
): AsyncGenerator<Received<BundleSet>, void> {
  return receive(channel, 'FetchX509Bundles', signal, (message, decode) =>
    parseX509Bundles(decodeX509BundlesResponse(message, decode)),
  )
}

/** One stream of `FetchJWTBundles`. The reader knows the bundles of the streams before it. */
export function receiveJwtBundles(
  channel: Channel,
  reader: JwtBundleReader,
  signal: AbortSignal,
): AsyncGenerator<Received<BundleSet<JwtBundle>>, void> {
  return receive(channel, 'FetchJWTBundles', signal, (message, decode) =>
    reader.parse(decodeJwtBundlesResponse(message, decode)),
  )
}

/**
 * The first message of a stream, which ends with it.
 * @throws {@link WorkloadApiError} `unavailable` when there is none
 */
export async function firstOf<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const message of stream) return message
  throw new WorkloadApiError('unavailable', 'the Workload API ended the stream without a message')
}

async function* receive<T>(
  channel: Channel,
  name: MethodName,
  signal: AbortSignal,
  parse: (message: Buffer, decode: Decode) => ParsedMessage<T>,
): AsyncGenerator<Received<T>, void> {
  const method = workloadApiMethod(name)
  for await (const message of channel.receive(method, signal)) {
    try {
      yield { ok: true, message: parse(message, method.responseDeserialize) }
    } catch (error) {
      yield { ok: false, error: toWorkloadApiError(error) }
    }
  }
}
