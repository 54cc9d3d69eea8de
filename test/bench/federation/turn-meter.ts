/** What the turns of the event loop have taken. */
export interface TurnReport {
  readonly maxMs: number
  readonly overGoal: number
  readonly turns: number
  /** `cpu`: of the thread alone, so that other work on the machine does not count. Node 24 or later. */
  readonly clock: 'cpu' | 'wall'
}

type CpuUsage = () => { readonly user: number; readonly system: number }

const threadCpuUsage = Reflect.get(process, 'threadCpuUsage') as CpuUsage | undefined

function nowMs(): number {
  if (threadCpuUsage === undefined) return performance.now()
  const { user, system } = threadCpuUsage.call(process)
  return (user + system) / 1000
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
      const length = now - this.#last
      this.#last = now
      // The many in which nothing happens are not kept.
      if (length > 0.2) this.#lengths.push(length)
      if (!this.#isStopped) this.#turn()
    })
  }
}
