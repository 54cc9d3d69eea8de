import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { Chains, type RelayedRequest } from '@fastify-spiffe/chain'
import { BundleSet, SpiffeId, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import * as fc from 'fast-check'
import { mintRootCa } from '@fastify-spiffe/authority'
import { NOW } from '../../support/verdict.ts'
import { readCorpus, type GoodCall } from '../corpus/corpus.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import {
  changed,
  decoded,
  inPart,
  partChanges,
  textChanges,
  type TextChange,
} from '../support/texts.ts'
import { TOKEN_PIECES, tokenChanges } from './hop-token.ts'

interface Input {
  readonly call: number
  readonly chain: readonly TextChange[]
  readonly certificates: readonly TextChange[]
  readonly request: readonly TextChange[]
  /** Whether one of the fields is sent twice, or not at all. */
  readonly lines: 'one' | 'twice' | 'no chain' | 'no certificates'
}

/** What arrives. */
interface Sent {
  readonly good: GoodCall
  readonly chain: readonly string[]
  readonly certificates: readonly string[]
  readonly request: RelayedRequest | null
}

const CERTIFICATE_PIECES = [':', ', ', ',', '=', '==', '+', '-', ' ', '', ':MAA=:', ';a=1']

const chainChanges: fc.Arbitrary<TextChange> = fc.oneof(
  { weight: 3, arbitrary: tokenChanges },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(3), tokenChanges)
      .map(([index, change]) => inPart(',', index, change)),
  },
  { weight: 1, arbitrary: partChanges(',') },
  { weight: 1, arbitrary: textChanges(TOKEN_PIECES) },
)

const certificatesChanges: fc.Arbitrary<TextChange> = fc.oneof(
  { weight: 2, arbitrary: textChanges(CERTIFICATE_PIECES) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(5), textChanges(CERTIFICATE_PIECES))
      .map(([index, change]) => inPart(', ', index, inPart(':', 1, decoded('base64', change)))),
  },
  { weight: 1, arbitrary: partChanges(', ') },
)

function few(changes: fc.Arbitrary<TextChange>): fc.Arbitrary<readonly TextChange[]> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(changes, { minLength: 1, maxLength: 2 }) },
  )
}

const inputs: fc.Arbitrary<Input> = fc.record({
  call: fc.nat(1000),
  chain: few(chainChanges),
  certificates: few(certificatesChanges),
  request: few(textChanges(['/', '?', 'book', '1', ' ', '%2F', '\n', ''])),
  lines: fc.oneof(
    { weight: 30, arbitrary: fc.constant('one' as const) },
    fc.constantFrom('twice' as const, 'no chain' as const, 'no certificates' as const),
  ),
})

/** Both fields of a chain: whoever changes a token, its order, or the request that it is for, gets nothing. */
export async function openCallChains(): Promise<Target<Input>> {
  const { calls } = readCorpus()
  // The SVID of the receiver matters by its SPIFFE ID alone.
  const own = await mintRootCa('example.org', {}, { clock: () => NOW })
  const sources = new Map<GoodCall, ScriptedSource>()
  for (const call of calls) {
    const bundle = X509Bundle.fromDer(TrustDomain.parse('example.org'), call.authority)
    const svid = (await own.mint(call.self)).toX509Svid({ clock: () => NOW })
    sources.set(call, new ScriptedSource(svid, BundleSet.of(bundle)))
  }
  const remembering = new Map(calls.map((call) => [call, receiverOf(call, sources.get(call)!)]))
  const send = (input: Input): Sent => sentOf(calls[input.call % calls.length]!, input)
  return {
    inputs,
    read(input) {
      const sent = send(input)
      const { good } = sent
      // What a relay presents is accepted once.
      const receiver =
        good.request === null ? remembering.get(good)! : receiverOf(good, sources.get(good)!)
      return outcomeOf(sent, receiver)
    },
    bytesOf(input) {
      const { good, ...sent } = send(input)
      return Buffer.from(JSON.stringify({ caller: good.caller, ...sent }))
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function receiverOf({ request, caller }: GoodCall, source: ScriptedSource): Chains {
  return new Chains({ source, relays: request === null ? [] : [caller], clock: () => NOW })
}

function sentOf(good: GoodCall, { chain, certificates, request, lines }: Input): Sent {
  const chainText = changed(good.chain, chain)
  const certificatesText = changed(good.certificates, certificates)
  const target = good.request && { ...good.request, target: changed(good.request.target, request) }
  return {
    good,
    chain: lines === 'no chain' ? [] : Array(lines === 'twice' ? 2 : 1).fill(chainText),
    certificates: lines === 'no certificates' ? [] : [certificatesText],
    request: target,
  }
}

function outcomeOf({ good, chain, certificates, request }: Sent, receiver: Chains): string {
  const peer = presentPeer({}, { spiffeId: SpiffeId.parse(good.caller), notAfter: Infinity })
  const verification = receiver.verify({ chain, certificates }, peer, request)
  const isAsSent =
    chain.length === 1 && chain[0] === good.chain && request?.target === good.request?.target
  if (!verification.ok) {
    const isGood = isAsSent && certificates[0] === good.certificates
    check(!isGood, `a good chain is refused: ${verification.code}`)
    check(
      /^chain-[a-z-]+(?::[a-z-]+)?$/.test(verification.code),
      `the code is ${verification.code}`,
    )
    return verification.code
  }
  if (verification.chain === null) {
    check(chain.length + certificates.length === 0, 'a chain was sent, and is not seen')
    return 'none'
  }
  check(isAsSent, 'a chain is accepted that nobody has signed, or for another request')
  const { origin, via, caller, depth } = verification.chain
  const seen = depth === 1 ? [origin] : [origin, ...via, caller]
  const path = good.request === null ? good.path : `${good.path} ${good.caller}`
  check(seen.map(String).join(' ') === path, `it names ${seen.map(String).join(' ')}`)
  return ACCEPTED
}
