import type { TargetInfo, TrustedSet } from '../metadata/trusted-set.ts'
import { loadTargets, type MetadataParts } from './refresh-metadata.ts'

/** How many roles are visited for one target. */
const MAX_ROLES = 32

interface Visit {
  readonly role: string
  readonly delegator: string
}

/**
 * Finds what the metadata says of a target: in the top role, then in those that it delegates to, in their order and
 * depth first (TUF specification §5.6.7). Resolves with `null` when there is no such target.
 *
 * @throws {@link TufError} a code of network, a code of integrity
 */
export async function findTarget(
  set: TrustedSet,
  path: string,
  parts: Omit<MetadataParts, 'now'>,
): Promise<TargetInfo | null> {
  const visited = new Set<string>()
  let toVisit: readonly Visit[] = [{ role: 'targets', delegator: 'root' }]
  while (visited.size < MAX_ROLES) {
    const [next, ...rest] = toVisit
    if (next === undefined) return null
    toVisit = rest
    const { role, delegator } = next
    if (visited.has(role)) continue
    await loadTargets(set, role, delegator, parts)
    const target = set.targetOf(role, path)
    if (target !== null) return target
    visited.add(role)
    toVisit = followed(set, role, path, rest)
  }
  return null
}

/** What is visited next: those that this role delegates to first. After a terminating one nothing else counts. */
function followed(
  set: TrustedSet,
  role: string,
  path: string,
  rest: readonly Visit[],
): readonly Visit[] {
  const below: Visit[] = []
  for (const delegation of set.delegationsOf(role, path)) {
    below.push({ role: delegation.role, delegator: role })
    if (delegation.isTerminating) return below
    // No more of them will be visited.
    if (below.length > MAX_ROLES) break
  }
  return [...below, ...rest]
}
