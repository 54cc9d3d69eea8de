import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { CallChain } from '../call.ts'
import { namesInChain } from './behalf.ts'
import type { CompiledCallers } from './callers.ts'
import type { Grant } from './grant.ts'
import { remembering } from './remembering.ts'

/** What the identity alone decides, and on whose behalf the call is made. */
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
  const list = grant === 'anyAuthenticated' ? null : grant
  const allowed = list && list.matcher
  const granted = allowed === null ? ANY_AUTHENTICATED : ALLOWED
  const identify: Identify = (id, chain) => {
    if (id === null) return NO_IDENTITY
    if (isDenied(callersDenied, id, chain)) return DENIED
    if (allowed !== null && !allowed.matches(id)) return NOT_ALLOWED
    return granted
  }
  const lists = [callersDenied, list].filter((each) => each !== null)
  // A matcher of the application's own may answer differently each time.
  if (lists.length === 0 || !lists.every(({ matcher }) => matcher.isFixed)) return identify
  const identifyForItself = remembering((id) => identify(id, null))
  return (id, chain) =>
    id === null || chain !== null ? identify(id, chain) : identifyForItself(id)
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
