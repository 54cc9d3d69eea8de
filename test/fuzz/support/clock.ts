/** The two times that a machine knows, in milliseconds. */
export interface Clock {
  readonly elapsedMs: () => number
  /** Of all threads of the process. */
  readonly processorMs: () => number
}

export const machine: Clock = {
  elapsedMs: () => performance.now(),
  processorMs() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
}
