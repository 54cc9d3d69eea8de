import {
  Chains,
  type CallChain,
  type ChainHeaders,
  type RelayedRequest,
} from '@fastify-spiffe/chain'
import { mintRootCa, type KeyType, type MintedCa } from '@fastify-spiffe/authority'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { BundleSet, SpiffeId } from '@fastify-spiffe/spiffe'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import { bundlesOf, NOW } from '../../support/verdict.ts'
import type { GoodCall } from './corpus.ts'

const NAMES = ['web', 'checkout', 'ledger', 'audit'] as const
const RELAY = idOf('relay')
const REQUEST: RelayedRequest = { method: 'POST', target: '/entries?book=1' }

const clock = (): number => NOW

function idOf(name: string): string {
  return `spiffe://example.org/acme/${name}`
}

/** Calls whose chains are good: of one, two and three hops, with keys of both kinds, and through a relay. */
export async function goodCalls(): Promise<readonly GoodCall[]> {
  const root = await mintRootCa('example.org', { keyType: 'ec-p256' }, { clock })
  const lower = await root.mintCa({ keyType: 'ec-p256' })
  const keyTypes: readonly (readonly KeyType[])[] = [
    ['ec-p256'],
    ['ec-p256', 'ec-p384'],
    ['ec-p384', 'ec-p256', 'ec-p256'],
  ]
  const direct = await Promise.all(keyTypes.map((types) => goodCall(root, lower, types, false)))
  const relayed = [['ec-p256'], ['ec-p256', 'ec-p256']] as const
  return [
    ...direct,
    ...(await Promise.all(relayed.map((each) => goodCall(root, lower, each, true)))),
  ]
}

async function goodCall(
  root: MintedCa,
  lower: MintedCa,
  keyTypes: readonly KeyType[],
  isRelayed: boolean,
): Promise<GoodCall> {
  let [chain, headers]: [CallChain | null, ChainHeaders | null] = [null, null]
  for (const [hop, keyType] of keyTypes.entries()) {
    const [caller, self] = [idOf(NAMES[hop]!), idOf(NAMES[hop + 1]!)]
    const minted = await lower.mint(caller, { keyType })
    const source = new ScriptedSource(minted.toX509Svid({ clock }), BundleSet.empty)
    const request = isRelayed && hop === keyTypes.length - 1 ? REQUEST : undefined
    headers = new Chains({ source, handTo: [self], clock }).headersFor(self, chain, request)
    if (request === undefined) chain = await received(root, headers, caller, self)
  }
  const last = keyTypes.length
  return {
    self: idOf(NAMES[last]!),
    caller: isRelayed ? RELAY : idOf(NAMES[last - 1]!),
    request: isRelayed ? REQUEST : null,
    path: NAMES.slice(0, last).map(idOf).join(' '),
    authority: root.der,
    chain: headers!['svid-chain'],
    certificates: headers!['svid-chain-certs'],
  }
}

async function received(
  root: MintedCa,
  headers: ChainHeaders,
  caller: string,
  self: string,
): Promise<CallChain | null> {
  const svid = (await root.mint(self)).toX509Svid({ clock })
  const source = new ScriptedSource(svid, bundlesOf(root))
  const fields = { chain: [headers['svid-chain']], certificates: [headers['svid-chain-certs']] }
  const peer = presentPeer({}, { spiffeId: SpiffeId.parse(caller), notAfter: Infinity })
  const verification = new Chains({ source, clock }).verify(fields, peer)
  if (!verification.ok) throw new Error(verification.code)
  return verification.chain
}
