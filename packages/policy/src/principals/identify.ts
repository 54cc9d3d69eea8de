import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { CompiledCallers } from './callers.ts'
import type { Grant } from './grant.ts'

/** What the identity alone decides. Allocates nothing. */
export type Identify = (id: SpiffeId | null) => Decision

const PUBLIC = allow('public')
const ANY_AUTHENTICATED = allow('any-authenticated')
const ALLOWED = allow('allowed')
const NO_IDENTITY = deny('no-identity')
const DENIED = deny('denied')
const NOT_ALLOWED = deny('not-allowed')

/** DENY, then ALLOW, then default deny. */
export function identifierOf(grant: Grant, callersDenied: CompiledCallers | null): Identify {
  const denied = callersDenied?.matcher ?? null
  if (grant === 'public') {
    // A rule around a public one can deny all the same.
    if (denied === null) return () => PUBLIC
    return (id) => (id !== null && denied.matches(id) ? DENIED : PUBLIC)
  }
  const allowed = grant === 'anyAuthenticated' ? null : grant.matcher
  const granted = allowed === null ? ANY_AUTHENTICATED : ALLOWED
  return (id) => {
    if (id === null) return NO_IDENTITY
    if (denied !== null && denied.matches(id)) return DENIED
    if (allowed !== null && !allowed.matches(id)) return NOT_ALLOWED
    return granted
  }
}
