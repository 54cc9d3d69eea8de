import { SpiffeError, SpiffeId } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'

/**
 * Chooses which of several SVIDs to present: the one with this SPIFFE ID, the one with this hint, or
 * the one that a function returns (`undefined`: none of them).
 */
export type X509SvidPick =
  | string
  | SpiffeId
  | { readonly hint: string }
  | ((svids: readonly X509Svid[]) => X509Svid | undefined)

/** Chooses from a list that is never empty. */
export type X509SvidPicker = (svids: readonly X509Svid[]) => X509Svid | undefined

/** Workload API §5.2: the first SVID is the default identity. */
export const FIRST: X509SvidPicker = ([first]) => first

/**
 * Makes one function of every form of {@link X509SvidPick}.
 * @throws {@link WorkloadApiError} `invalid-option`
 */
export function toPicker(pick: X509SvidPick | undefined): X509SvidPicker {
  if (pick === undefined) return FIRST
  if (typeof pick === 'function') return guarded(pick)
  if (typeof pick === 'string') return byId(parseId(pick))
  if (pick instanceof SpiffeId) return byId(pick)
  if (typeof pick === 'object' && pick !== null && typeof pick.hint === 'string') {
    const { hint } = pick
    return (svids) => svids.find((svid) => svid.hint === hint)
  }
  throw new WorkloadApiError('invalid-option', 'pick must be a SPIFFE ID, a hint or a function')
}

function byId(id: SpiffeId): X509SvidPicker {
  return (svids) => svids.find((svid) => svid.spiffeId.equals(id))
}

function parseId(id: string): SpiffeId {
  try {
    return SpiffeId.parse(id)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new WorkloadApiError('invalid-option', `pick: ${cause.message}`, { cause })
  }
}

/** A function from outside may throw, or return what was never in the list. */
function guarded(pick: X509SvidPicker): X509SvidPicker {
  return (svids) => {
    let picked: X509Svid | undefined
    try {
      picked = pick(svids)
    } catch (cause) {
      throw new WorkloadApiError('no-match', 'pick threw an error', { cause })
    }
    return svids.find((svid) => svid === picked)
  }
}
