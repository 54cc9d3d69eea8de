import { setTimeout as pause } from 'node:timers/promises'
import type { X509SvidSource } from '@fastify-spiffe/spiffe'

const TIMEOUT_MS = 45_000
const PAUSE_MS = 10
/** Calls after both ends have rotated. */
const LAST_CALLS = 10

export interface Rotation {
  readonly calls: number
  /** What went wrong, one line for each call. */
  readonly failures: readonly string[]
  /** How many SVIDs each end has had. */
  readonly svids: { readonly ours: number; readonly theirs: number }
}

/**
 * Calls again and again until both ends have had a second SVID, and a little longer.
 *
 * @param source of our end
 * @param call gives the serial number of the SVID that the other end has proven itself with
 */
export async function callThroughRotation(
  source: X509SvidSource,
  call: () => Promise<string>,
): Promise<Rotation> {
  const deadline = performance.now() + TIMEOUT_MS
  const ours = new Set<string>()
  const theirs = new Set<string>()
  const failures: string[] = []
  let calls = 0
  for (let left = LAST_CALLS; left > 0 && performance.now() < deadline;) {
    const before = source.svid?.leaf.serialNumber
    calls++
    try {
      theirs.add(await call())
      if (before !== undefined) ours.add(before)
    } catch (error) {
      failures.push(String(error))
    }
    if (ours.size > 1 && theirs.size > 1) left--
    await pause(PAUSE_MS)
  }
  return { calls, failures, svids: { ours: ours.size, theirs: theirs.size } }
}
