import { inSlices, type Steps } from '@fastify-spiffe/spiffe/internal'
import type { Follower } from './follower.ts'

/**
 * Has all of them fetch, those without a bundle first: there are callers that nobody knows yet. Resolves when all have been
 * asked, with the fetches of these.
 */
export async function fetchAll(followers: readonly Follower[]): Promise<Promise<unknown>[]> {
  const first = new Set(followers.filter(({ status }) => status.bundle === null))
  const fetches: Promise<unknown>[] = []
  await inSlices(begin(new Set([...first, ...followers]), fetches))
  return fetches.slice(0, first.size)
}

function* begin(followers: Iterable<Follower>, fetches: Promise<unknown>[]): Steps<void> {
  for (const follower of followers) {
    fetches.push(follower.refresh())
    yield
  }
}
