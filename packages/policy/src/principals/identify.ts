import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { CallChain } from '../call.ts'
import { namesInChain } from './behalf.ts'
import type { CompiledCallers } from './callers.ts'
import type { Grant } from './grant.ts'

/** What the identity alone decides, and whom the call is made for. Allocates nothing. */
export type Identify = (id: SpiffeId | null, chain: CallChain | null) => Decision

const PUBLIC = allow('public')
const ANY_AUTHENTICATED = allow('any-authenticated')
const ALLOWED = allow('allowed')
const NO_IDENTITY = deny('no-identity')
const DENIED = deny('denied')
const NOT_ALLOWED = deny('not-allowed')

/** DENY, then ALLOW, then default deny. */
export function identifierOf(grant: Grant, callersDenied: CompiledCallers | null): Identify {
  if (grant === 'public') {
    // A rule around a public one can deny all the same.
    if (callersDenied === null) return () => PUBLIC
    return (id, chain) => (isDenied(callersDenied, id, chain) ? DENIED : PUBLIC)
  }
  const allowed = grant === 'anyAuthenticated' ? null : grant.matcher
  const granted = allowed === null ? ANY_AUTHENTICATED : ALLOWED
  return (id, chain) => {
    if (id === null) return NO_IDENTITY
    if (isDenied(callersDenied, id, chain)) return DENIED
    if (allowed !== null && !allowed.matches(id)) return NOT_ALLOWED
    return granted
  }
}

/** A workload that is denied is denied in every seat: as the caller, as the origin, and between them. */
export function isDenied(
  denied: CompiledCallers | null,
  id: SpiffeId | null,
  chain: CallChain | null,
): boolean {
  if (denied === null) return false
  return (id !== null && denied.matcher.matches(id)) || namesInChain(denied, chain)
}
