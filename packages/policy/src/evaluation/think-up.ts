import { SpiffeId, SubjectAltNames } from '@fastify-spiffe/spiffe'
import type { CallChain, Caller } from '../call.ts'
import type { StatedAltNames } from '../document/alt-names.ts'
import type { StatedCall, StatedChain } from '../document/stated-call.ts'
import { HypotheticalCall } from '../hypothetical-call.ts'

/** Makes a call of what is said of it. Its proofs are assumed to be valid. */
export function thinkUp(
  spiffeId: SpiffeId | null,
  { subjectAltName, chain, attributes }: StatedCall,
  method: string,
): HypotheticalCall {
  return new HypotheticalCall(
    spiffeId && callerOf(spiffeId, subjectAltName),
    chain === undefined ? null : chainOf(chain),
    { ...attributes, method },
  )
}

/** Somebody of whom the SPIFFE ID is given, and names of its certificate beside it. */
function callerOf(spiffeId: SpiffeId, { dns = [], ip = [] }: StatedAltNames = {}): Caller {
  return {
    spiffeId,
    serialNumber: '',
    fingerprint256: '',
    notAfter: Infinity,
    subjectAltNames: SubjectAltNames.from({ dns, ip, uri: [spiffeId.toString()] }),
  }
}

function chainOf({ origin, via = [], evidence = 'signed' }: StatedChain): CallChain {
  return {
    origin: SpiffeId.parse(origin),
    via: via.map((id) => SpiffeId.parse(id)),
    evidence,
    validUntil: Infinity,
  }
}

/** On whose behalf a call is made, for people: ` on behalf of spiffe://…, via spiffe://…`; empty where the caller acts for itself. */
export function describeChain({ chain }: StatedCall): string {
  if (chain === undefined) return ''
  const { origin, via = [], evidence } = chain
  const between = via.length === 0 ? '' : `, via ${via.join(', ')}`
  return ` on behalf of ${origin}${between}${evidence === 'forwarded' ? ' (forwarded)' : ''}`
}
