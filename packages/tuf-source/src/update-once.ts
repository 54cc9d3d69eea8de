import { update, type UpdateOutcome } from './client/update.ts'
import { TufError } from './errors.ts'
import { Fetcher } from './fetch/request.ts'
import type { Known } from './known.ts'
import type { Settings } from './options.ts'

/** One update from what is known, ended by `closing` or after `refreshTimeoutMs`. It changes nothing of what is known. */
export async function updateOnce(
  settings: Settings,
  known: Known,
  closing: AbortSignal,
): Promise<UpdateOutcome> {
  const { metadataUrl, targetsUrl, maxTargetBytes, setTimer, refreshTimeoutMs } = settings
  const { held, metadata } = known
  const timeout = new AbortController()
  const cancel = setTimer(() => {
    timeout.abort(new TufError('timeout', `a refresh took longer than ${refreshTimeoutMs} ms`))
  }, refreshTimeoutMs)
  const fetcher = new Fetcher(settings, AbortSignal.any([closing, timeout.signal]))
  try {
    return await update({
      metadata,
      metadataUrl,
      targetsUrl,
      maxTargetBytes,
      paths: held.paths,
      held: (path) => held.content(path)?.bytes ?? null,
      fetch: fetcher.fetch,
      now: known.now(),
    })
  } finally {
    cancel()
    fetcher[Symbol.dispose]()
  }
}
