/** What the turns of the event loop have taken. */
export interface TurnReport {
  readonly maxMs: number
  readonly overGoal: number
  readonly turns: number
  /**
   * `cpu`: a turn is as long as the CPU time of the thread in it, if that is less than the time that has passed: other work
   * on the machine does not count, and neither do the ticks of a few milliseconds by which many kernels count CPU time.
   * Node 24 or later.
   */
  readonly clock: 'cpu' | 'wall'
}

type CpuUsage = () => { readonly user: number; readonly system: number }

const threadCpuUsage = Reflect.get(process, 'threadCpuUsage') as CpuUsage | undefined

interface Instant {
  readonly wall: number
  readonly cpu: number
}

function nowMs(): Instant {
  const wall = performance.now()
  if (threadCpuUsage === undefined) return { wall, cpu: wall }
  const { user, system } = threadCpuUsage.call(process)
  return { wall, cpu: (user + system) / 1000 }
}

/** Measures each turn of the event loop, which it keeps from resting meanwhile. */
export class TurnMeter {
  readonly #lengths: number[] = []
  #last = nowMs()
  #isStopped = false

  constructor() {
    this.#turn()
  }

  stop(goalMs: number): TurnReport {
    this.#isStopped = true
    const lengths = this.#lengths
    return {
      maxMs: lengths.reduce((most, each) => Math.max(most, each), 0),
      overGoal: lengths.filter((each) => each > goalMs).length,
      turns: lengths.length,
      clock: threadCpuUsage === undefined ? 'wall' : 'cpu',
    }
  }

  #turn(): void {
    setImmediate(() => {
      const now = nowMs()
      const length = Math.min(now.wall - this.#last.wall, now.cpu - this.#last.cpu)
      this.#last = now
      // The many in which nothing happens are not kept.
      if (length > 0.2) this.#lengths.push(length)
      if (!this.#isStopped) this.#turn()
    })
  }
}
