import {
  cpuPerUnit,
  pairedRatios,
  spread,
  unitsPerSecond,
  type Round,
  type Spread,
} from '../statistics.ts'

/** The same work, done by the project and by what it is compared with. */
export interface Pair {
  readonly ours: () => Promise<void>
  readonly bare: () => Promise<void>
}

export interface Goal {
  readonly text: string
  readonly isMet: boolean
}

export interface Comparison {
  readonly name: string
  readonly unit: string
  readonly goals: readonly Goal[]
  /** The CPU time of this process per unit, ours / bare. */
  readonly cpuRatio: Spread
  /** Units per second, ours / bare. */
  readonly speedRatio: Spread
  readonly cpuUs: { readonly ours: number; readonly bare: number }
}

export interface About {
  readonly name: string
  readonly unit: string
  /** How many units one call of `ours` or `bare` does. */
  readonly units: number
  readonly rounds: number
  /** The share of bare's units per CPU time that ours has to reach. */
  readonly goal: number
  /** The share of bare's units per second that ours has to reach. Default: none is set. */
  readonly speedGoal?: number
}

const WARM_UP_ROUNDS = 3

/** Lets both do their work in turn, in this process; which is first changes each time. */
export async function compare(pair: Pair, about: About): Promise<Comparison> {
  const { name, unit, units } = about
  const rounds: Record<keyof Pair, Round[]> = { ours: [], bare: [] }
  for (let round = -WARM_UP_ROUNDS; round < about.rounds; round++) {
    const order = round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)
    for (const kind of order) {
      const measured = await measure(units, pair[kind])
      if (round >= 0) rounds[kind].push(measured)
    }
  }
  const cpuRatio = pairedRatios(rounds.ours, rounds.bare, cpuPerUnit)
  const speedRatio = pairedRatios(rounds.ours, rounds.bare, unitsPerSecond)
  return {
    name,
    unit,
    goals: goalsOf(about, 1 / cpuRatio.median, speedRatio.median),
    cpuRatio,
    speedRatio,
    cpuUs: { ours: cpuUsOf(rounds.ours), bare: cpuUsOf(rounds.bare) },
  }
}

function goalsOf({ unit, goal, speedGoal }: About, perCpu: number, perSecond: number): Goal[] {
  const goals = [
    { text: `at least ${goal} of the ${unit}s for the same CPU`, isMet: perCpu >= goal },
  ]
  if (speedGoal === undefined) return goals
  const text = `at least ${speedGoal} of the ${unit}s per second`
  return [...goals, { text, isMet: perSecond >= speedGoal }]
}

function cpuUsOf(rounds: readonly Round[]): number {
  return spread(rounds.map(cpuPerUnit)).median * 1000
}

async function measure(units: number, work: () => Promise<void>): Promise<Round> {
  const cpuBefore = process.cpuUsage()
  const wallBefore = performance.now()
  await work()
  const wallMs = performance.now() - wallBefore
  const { user, system } = process.cpuUsage(cpuBefore)
  return { units, wallMs, cpuMs: (user + system) / 1000 }
}
