import { verifyX509Svid, type BundleSet } from '@fastify-spiffe/spiffe'
import { WorkloadApiError, type X509Context } from '@fastify-spiffe/workload-api'
import * as fc from 'fast-check'
import { NOW } from '../../support/verdict.ts'
import { readCorpus } from '../corpus/corpus.ts'
import { mutatedOrRandom } from '../support/bytes.ts'
import {
  internal,
  type BundlesModule,
  type ContextModule,
  type DecodeModule,
  type DefinitionModule,
} from '../support/internals.ts'
import { codeOf, outcomeOf } from '../support/own-error.ts'
import { PROTOBUF } from '../support/protobuf.ts'
import { check, type Target } from '../support/target.ts'

type Method = 'FetchX509SVID' | 'FetchX509Bundles'

export interface MessageInput {
  readonly method: Method
  readonly bytes: Uint8Array
}

/** Answers of the Workload API that are good, spoilt, or no answers. */
export function messages(): fc.Arbitrary<MessageInput> {
  const { svidMessages, bundlesMessages } = readCorpus()
  // Two bytes each, which are objects of some size when they are decoded.
  const many = fc.nat(30_000).map((count) => Buffer.alloc(2 * count, Uint8Array.of(0x0a, 0x00)))
  const of = (method: Method, bases: readonly Buffer[]): fc.Arbitrary<MessageInput> =>
    fc.record({
      method: fc.constant(method),
      bytes: fc.oneof(
        { weight: 99, arbitrary: mutatedOrRandom(bases, PROTOBUF) },
        { weight: 1, arbitrary: many },
      ),
    })
  return fc.oneof(
    { weight: 3, arbitrary: of('FetchX509SVID', svidMessages) },
    { weight: 1, arbitrary: of('FetchX509Bundles', bundlesMessages) },
  )
}

/** Messages through decoding and reading, as they are after gRPC has taken its frames away. */
export async function openMessages(): Promise<Target<MessageInput>> {
  const folder = 'workload-api/dist/messages'
  const { workloadApiMethod } = await internal<DefinitionModule>(
    'workload-api/dist/channel/definition.js',
  )
  const { decodeX509SvidResponse, decodeX509BundlesResponse } = await internal<DecodeModule>(
    `${folder}/decode.js`,
  )
  const { parseX509Context } = await internal<ContextModule>(`${folder}/x509-context.js`)
  const { parseX509Bundles } = await internal<BundlesModule>(`${folder}/bundles.js`)

  const readSvids = (bytes: Buffer): void => {
    const { responseDeserialize } = workloadApiMethod('FetchX509SVID')
    const raw = decodeX509SvidResponse(bytes, responseDeserialize)
    try {
      const { value, problems } = parseX509Context(raw, () => NOW)
      for (const { error } of problems) codeOf(error, WorkloadApiError)
      checkContext(value)
    } finally {
      const isWiped = raw.svids.every(({ x509SvidKey }) => x509SvidKey.every((byte) => byte === 0))
      check(isWiped, 'a private key of the message is still there')
    }
  }
  const readBundles = (bytes: Buffer): void => {
    const { responseDeserialize } = workloadApiMethod('FetchX509Bundles')
    const raw = decodeX509BundlesResponse(bytes, responseDeserialize)
    const { value, problems } = parseX509Bundles(raw)
    for (const { error } of problems) codeOf(error, WorkloadApiError)
    checkBundles(value)
  }
  return {
    inputs: messages(),
    read: ({ method, bytes }) =>
      outcomeOf(WorkloadApiError, () =>
        (method === 'FetchX509SVID' ? readSvids : readBundles)(Buffer.from(bytes)),
      ),
    bytesOf: ({ bytes }) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** What a service is given can be presented: it verifies against the bundles beside it. */
export function checkContext({ svids, bundles }: X509Context): void {
  check(svids.length > 0, 'a state has no SVID')
  for (const { certificates, spiffeId } of svids) {
    const verification = verifyX509Svid(certificates, bundles, { clock: () => NOW })
    check(verification.ok, `${String(spiffeId)} does not verify`)
    check(verification.svid.spiffeId.equals(spiffeId), `${String(spiffeId)} is another one`)
  }
}

export function checkBundles(bundles: BundleSet): void {
  check([...bundles].length > 0, 'a state has no bundle')
}
