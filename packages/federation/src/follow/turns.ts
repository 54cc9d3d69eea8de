import { setImmediate } from 'node:timers/promises'
import { TaskQueue } from '@fastify-spiffe/spiffe/internal'

/** Lets what takes long run one after the other, each in a turn of the event loop of its own. */
export class Turns {
  readonly #queue = new TaskQueue()

  /** Runs `task` in a later turn, and after those that were given before. */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      await setImmediate()
      return task()
    })
  }
}
