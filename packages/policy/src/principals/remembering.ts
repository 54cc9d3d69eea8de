import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Decision } from '../decision/decision.ts'

const MAX_REMEMBERED = 1024
const MAX_REMEMBERED_LENGTH = 256

/** Remembers what is decided for SPIFFE IDs: to look one up costs less than to match patterns. When it is full, it begins anew. */
export function remembering(decide: (id: SpiffeId) => Decision): (id: SpiffeId) => Decision {
  const known = new Map<string, Decision>()
  return (id) => {
    const text = id.toString()
    const decision = known.get(text)
    if (decision !== undefined) return decision
    const decided = decide(id)
    if (text.length > MAX_REMEMBERED_LENGTH) return decided
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(text, decided)
    return decided
  }
}
