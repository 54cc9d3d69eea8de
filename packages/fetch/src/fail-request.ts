import type { Dispatcher } from 'undici'

/** Handlers of undici 7, and of its own `fetch` until then. */
interface FormerHandler {
  onError?(error: Error): void
}

/** Tells the handler of a request that it was not sent, in the way of its version of undici. */
export function failRequest(
  handler: Dispatcher.DispatchHandler & FormerHandler,
  error: unknown,
): void {
  const reason = error instanceof Error ? error : new TypeError('the request was not sent')
  if (handler.onRequestStart === undefined) handler.onError?.(reason)
  else handler.onResponseError?.(NO_CONTROLLER, reason)
}

/** Of a request that has no connection. */
const NO_CONTROLLER: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  rawHeaders: null,
  rawTrailers: null,
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
}
