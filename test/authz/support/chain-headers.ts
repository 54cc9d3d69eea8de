import type { InProcessSource } from '@fastify-spiffe/authority'
import { type CallChain, type ChainHeaders, Chains } from '@fastify-spiffe/chain'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'

/**
 * The headers with which the last of the workloads calls for the first; one alone calls for itself.
 *
 * @param sources - of each workload on the path
 * @param audience - whom the last one calls
 */
export function chainHeadersOf(
  sources: ReadonlyMap<string, InProcessSource>,
  path: readonly string[],
  audience: string,
): Record<string, string> {
  let headers: ChainHeaders | undefined
  for (const [index, id] of path.entries()) {
    const chains = new Chains({ source: sources.get(id)!, handTo: ['spiffe://example.org/**'] })
    const inbound = headers === undefined ? null : verified(chains, headers, path[index - 1]!)
    headers = chains.headersFor(path[index + 1] ?? audience, inbound)
  }
  return { ...headers }
}

function verified(chains: Chains, headers: ChainHeaders, caller: string): CallChain | null {
  const fields = { chain: [headers['svid-chain']], certificates: [headers['svid-chain-certs']] }
  const verification = chains.verify(fields, presentPeer({}, { spiffeId: caller }))
  if (!verification.ok) throw new Error(verification.code)
  return verification.chain
}
