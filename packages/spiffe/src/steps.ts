import { setImmediate } from 'node:timers/promises'

/** What takes long, in steps: it can be done at once, or with other work of the event loop between steps. */
export type Steps<T> = Generator<void, T, void>

/** How {@link inSlices} measures a slice, and what it waits for after one. */
export interface SliceOptions {
  /** How long a slice may take, in ms; it ends with the step in which that has passed. Default 1. */
  readonly sliceMs?: number
  /** In ms. Default `performance.now`. */
  readonly now?: () => number
  /** Default: one turn of the event loop. */
  readonly pause?: () => Promise<unknown>
}

/** Does all steps at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Does the steps in slices, with a turn of the event loop between two of them. */
export async function inSlices<T>(steps: Steps<T>, options: SliceOptions = {}): Promise<T> {
  const { sliceMs = 1, now = () => performance.now(), pause = () => setImmediate() } = options
  let began = now()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (now() - began < sliceMs) continue
    // oxlint-disable-next-line no-await-in-loop -- one after the other is the purpose
    await pause()
    began = now()
  }
}
