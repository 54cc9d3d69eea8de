import { check } from './target.ts'

/** What one input may cost. */
const MAX_MS = 10

/** How often an input that took longer is read again: on a busy machine, and before V8 has compiled, the first time says little. */
const ATTEMPTS = 8

/** Measures how long inputs take, and refuses those that take too long. */
export class Stopwatch {
  slowestMs = 0

  async time<T>(read: () => T | Promise<T>): Promise<T> {
    const began = performance.now()
    const pending = read()
    const result = pending instanceof Promise ? await pending : pending
    let took = performance.now() - began
    // What would be the slowest so far is looked at again, so that the figure means something.
    const known = Math.max(1, this.slowestMs)
    for (let attempt = 0; took > known && attempt < ATTEMPTS; attempt += 1) {
      took = Math.min(took, await processorMs(read))
    }
    this.slowestMs = Math.max(this.slowestMs, took)
    check(took <= MAX_MS, `takes ${took.toFixed(1)} ms of processor time, more than ${MAX_MS}`)
    return result
  }
}

/** The wait for a turn does not count, the work of all threads does. */
async function processorMs(read: () => unknown): Promise<number> {
  const began = process.cpuUsage()
  await read()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1000
}
