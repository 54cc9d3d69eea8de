import type { BundleSet } from '../bundle/bundle-set.ts'
import type { JwtAuthority } from '../bundle/jwt-authority.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import { fits } from './algorithms.ts'
import type { TokenHeader } from './header.ts'
import { refuse, type JwtRefusal } from './refusal.ts'

/** How many keys are tried for a token without `kid`: each costs a check of the signature. */
const MAX_TRIED = 16

/** At least one. */
export interface Candidates {
  readonly ok: true
  readonly authorities: readonly JwtAuthority[]
}

/** The authorities that may have signed a token: of the trust domain of its subject and of no other. */
export function candidatesFor(
  header: TokenHeader,
  spiffeId: SpiffeId,
  bundles: BundleSet<JwtBundle>,
): Candidates | JwtRefusal {
  const { trustDomain } = spiffeId
  const bundle = bundles.get(trustDomain)
  if (bundle === undefined) {
    const message = `there is no JWT bundle of ${trustDomain.name}`
    return refuse('unknown-trust-domain', message, spiffeId)
  }
  if (bundle.authorities.length === 0) {
    return refuse('empty-bundle', `the JWT bundle of ${trustDomain.name} is empty`, spiffeId)
  }
  return header.keyId === undefined
    ? allFitting(header, bundle, spiffeId)
    : named(header.keyId, header, bundle, spiffeId)
}

function named(
  keyId: string,
  { algorithm }: TokenHeader,
  bundle: JwtBundle,
  spiffeId: SpiffeId,
): Candidates | JwtRefusal {
  const authority = bundle.find(keyId)
  if (authority === undefined) {
    return refuse('unknown-key', 'kid names no authority of the bundle', spiffeId)
  }
  if (fits(authority, algorithm)) return { ok: true, authorities: [authority] }
  return refuse('key-mismatch', 'the key that kid names does not fit alg', spiffeId)
}

/** JWT-SVID §2.2: `kid` is optional. */
function allFitting(
  { algorithm }: TokenHeader,
  { authorities }: JwtBundle,
  spiffeId: SpiffeId,
): Candidates | JwtRefusal {
  const fitting = authorities.filter((authority) => fits(authority, algorithm))
  if (fitting.length === 0) return refuse('key-mismatch', 'no key of the bundle fits alg', spiffeId)
  if (fitting.length <= MAX_TRIED) return { ok: true, authorities: fitting }
  const message = `there is no kid, and more than ${MAX_TRIED} keys fit alg`
  return refuse('too-many-keys', message, spiffeId)
}
