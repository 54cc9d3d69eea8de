/** Calls `callback` after `delayMs`, and returns the function that prevents it. */
export type SetTimer = (callback: () => void, delayMs: number) => () => void

/** The longest delay of a timer, in ms: Node fires a longer one at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/** A timer of Node that keeps the process alive. */
export const setReferencedTimer: SetTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs)
  return () => clearTimeout(timer)
}

/** A timer of Node that does not keep the process alive. */
export const setUnreferencedTimer: SetTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs).unref()
  return () => clearTimeout(timer)
}
