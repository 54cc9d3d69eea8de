import { SpiffeId, SubjectAltNames } from '@fastify-spiffe/spiffe'
import type { CallChain, Caller } from '../call.ts'
import type { StatedCall, StatedChain } from '../document/stated-call.ts'
import { HypotheticalCall } from '../hypothetical-call.ts'

/** Makes a call of what is said of it. Its proofs are assumed to be valid. */
export function thinkUp(
  spiffeId: SpiffeId | null,
  stated: StatedCall,
  method: string,
): HypotheticalCall {
  const { chain, attributes } = stated
  return new HypotheticalCall(
    spiffeId && statedCaller(spiffeId, stated),
    chain === undefined ? null : statedChain(chain),
    { ...attributes, method },
  )
}

/** A caller by its SPIFFE ID, with the other names of its certificate, or with a token. */
function statedCaller(spiffeId: SpiffeId, { proof, subjectAltName }: StatedCall): Caller {
  const common = { spiffeId, notAfter: Infinity }
  if (proof === 'jwt-svid') return { ...common, proof, serialNumber: null, fingerprint256: null }
  const { dns = [], ip = [] } = subjectAltName ?? {}
  return {
    ...common,
    proof: 'x509-svid',
    serialNumber: '',
    fingerprint256: '',
    subjectAltNames: SubjectAltNames.from({ dns, ip, uri: [spiffeId.toString()] }),
  }
}

function statedChain({ origin, via = [], evidence = 'signed' }: StatedChain): CallChain {
  return {
    origin: SpiffeId.parse(origin),
    via: via.map((id) => SpiffeId.parse(id)),
    evidence,
    validUntil: Infinity,
  }
}

/** By which proof and on whose behalf a call is made, for people: ` by jwt-svid`, ` on behalf of spiffe://…, via spiffe://…`; empty for a certificate of its own. */
export function describeStated({ proof, chain }: StatedCall): string {
  if (proof === 'jwt-svid') return ' by jwt-svid'
  if (chain === undefined) return ''
  const { origin, via = [], evidence } = chain
  const between = via.length === 0 ? '' : `, via ${via.join(', ')}`
  return ` on behalf of ${origin}${between}${evidence === 'forwarded' ? ' (forwarded)' : ''}`
}
