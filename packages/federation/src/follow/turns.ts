import { setImmediate } from 'node:timers/promises'
import type { SliceOptions } from '@fastify-spiffe/spiffe'
import { TaskQueue } from '@fastify-spiffe/spiffe/internal'

/** Lets what takes long run one after the other, each in a turn of the event loop of its own. */
export class Turns {
  /** How long ones are sliced. */
  readonly slices: SliceOptions
  readonly #queue = new TaskQueue()

  constructor(slices: SliceOptions = {}) {
    this.slices = slices
  }

  /** Runs `task` in a later turn, and after those that were given before. */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      await setImmediate()
      return task()
    })
  }
}
