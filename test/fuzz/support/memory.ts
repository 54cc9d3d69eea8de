import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collectGarbage: (() => void) | undefined

/** Gives what waits for its turn, such as the end of a closed connection, that turn, and collects: the bytes that are then in use, on the heap and in buffers. */
export async function heapAfterCollection(): Promise<number> {
  await setImmediate()
  collect()
  return heapInUse()
}

/**
 * By how many bytes the heap has grown, or 0 where even with its garbage it has not grown by more than `max`: a
 * collection of the whole heap takes longer than many inputs do.
 */
export async function heapGrowth(before: number, max: number): Promise<number> {
  if (heapInUse() - before <= max) return 0
  // What the first collection lets go of may end something that holds more.
  await heapAfterCollection()
  return (await heapAfterCollection()) - before
}

function collect(): void {
  if (collectGarbage === undefined) {
    setFlagsFromString('--expose-gc')
    collectGarbage = runInNewContext('gc') as () => void
  }
  collectGarbage()
}

function heapInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
