import type { SetTimer } from '@fastify-spiffe/spiffe'

/** Resolves when all have settled, and at the latest after `timeoutMs`. */
export async function settledWithin(
  promises: readonly Promise<unknown>[],
  timeoutMs: number,
  setTimer: SetTimer,
): Promise<void> {
  if (promises.length === 0 || timeoutMs === 0) return
  const { promise: passed, resolve } = withResolvers()
  const cancel = setTimer(resolve, timeoutMs)
  await Promise.race([Promise.allSettled(promises), passed])
  cancel()
}

/** Node 20 has no `Promise.withResolvers`. */
function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
