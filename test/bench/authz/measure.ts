/** Work to be measured. `round` tells calls apart. */
export interface Case {
  readonly name: string
  readonly call: (round: number) => unknown
}

/** CPU time of one call, in nanoseconds. Other work on the machine can only add to it: the best round says most. */
export interface Cost {
  readonly name: string
  readonly best: number
  readonly median: number
}

const ROUNDS = 11
const ROUND_MS = 30

/** Measures cases in turns, in an order that changes, so that what disturbs the machine disturbs all of them. */
export async function costsOf(cases: readonly Case[]): Promise<Cost[]> {
  const sizes: number[] = []
  for (const each of cases) sizes.push(await sizeOf(each))
  const rounds = cases.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (let position = 0; position < cases.length; position++) {
      const at = (position * 7 + round) % cases.length
      rounds[at]!.push(await nanosecondsPerCall(cases[at]!, sizes[at]!))
    }
  }
  return cases.map(({ name }, at) => {
    const sorted = rounds[at]!.toSorted((a, b) => a - b)
    return { name, best: sorted[0]!, median: sorted[sorted.length >> 1]! }
  })
}

/** How many calls fill a round. */
async function sizeOf(subject: Case): Promise<number> {
  let calls = 16
  for (;;) {
    const start = performance.now()
    await nanosecondsPerCall(subject, calls)
    const ms = performance.now() - start
    if (ms > ROUND_MS / 2 || calls > 1e7) return Math.max(1, Math.round((calls * ROUND_MS) / ms))
    calls *= 2
  }
}

async function nanosecondsPerCall({ call }: Case, calls: number): Promise<number> {
  const before = process.cpuUsage()
  const first = call(0)
  if (first instanceof Promise) await inTurn(call, calls)
  else run(call, calls)
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / calls
}

// A loop of its own: one that can await is much slower.
function run(call: Case['call'], calls: number): void {
  for (let round = 0; round < calls; round++) call(round)
}

async function inTurn(call: Case['call'], calls: number): Promise<void> {
  for (let round = 0; round < calls; round++) await call(round)
}
