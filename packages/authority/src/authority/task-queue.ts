/** Runs asynchronous tasks one after the other. */
export class TaskQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `task` when all before it have ended, well or not. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => {})
    return result
  }
}
