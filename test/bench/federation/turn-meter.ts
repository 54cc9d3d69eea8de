import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'

/** What the turns of the event loop have taken. */
export interface TurnReport {
  readonly maxMs: number
  readonly overGoal: number
  /** The same without the pauses of the garbage collector, which depend on all that a process does. */
  readonly maxOwnMs: number
  readonly ownOverGoal: number
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

interface Turn {
  readonly start: number
  readonly end: number
  readonly length: number
}

/** Measures each turn of the event loop, which it keeps from resting meanwhile. */
export class TurnMeter {
  readonly #turns: Turn[] = []
  readonly #pauses: PerformanceEntry[] = []
  readonly #observer: PerformanceObserver
  #last = nowMs()
  #isStopped = false

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#pauses.push(...list.getEntries()))
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#turn()
  }

  stop(goalMs: number): TurnReport {
    this.#isStopped = true
    this.#pauses.push(...this.#observer.takeRecords())
    this.#observer.disconnect()
    const lengths = this.#turns.map(({ length }) => length)
    const own = this.#turns.map((turn) => turn.length - this.#pausedIn(turn))
    return {
      maxMs: longest(lengths),
      overGoal: lengths.filter((each) => each > goalMs).length,
      maxOwnMs: longest(own),
      ownOverGoal: own.filter((each) => each > goalMs).length,
      turns: lengths.length,
      clock: threadCpuUsage === undefined ? 'wall' : 'cpu',
    }
  }

  #pausedIn({ start, end }: Turn): number {
    const within = this.#pauses.filter(({ startTime }) => startTime >= start && startTime <= end)
    return within.reduce((sum, { duration }) => sum + duration, 0)
  }

  #turn(): void {
    setImmediate(() => {
      const now = nowMs()
      const { wall: start, cpu } = this.#last
      const length = Math.min(now.wall - start, now.cpu - cpu)
      this.#last = now
      // The many in which nothing happens are not kept.
      if (length > 0.2) this.#turns.push({ start, end: now.wall, length })
      if (!this.#isStopped) this.#turn()
    })
  }
}

function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, each) => Math.max(most, each), 0)
}
