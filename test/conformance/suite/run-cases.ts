import { within } from '../driver/timing.ts'
import { Stage } from '../driver/stage.ts'
import { Failure, Skip, type ConformanceCase } from './case.ts'

export type Status = 'PASS' | 'FAIL' | 'SKIP' | 'ERROR'

export const STATUSES: readonly Status[] = ['PASS', 'FAIL', 'SKIP', 'ERROR']

/** What became of a case. */
export interface Result {
  readonly conformanceCase: ConformanceCase
  readonly status: Status
  /** Why it did not pass; empty when it did. */
  readonly detail: string
  readonly durationMs: number
}

/** The longest that a case may take. */
const CASE_MS = 90_000

/** Runs cases, `parallel` at a time, each with a harness and a Workload API of its own. */
export async function runCases(
  cases: readonly ConformanceCase[],
  command: string,
  parallel: number,
  tell: (result: Result) => void,
): Promise<readonly Result[]> {
  const results = new Map<ConformanceCase, Result>()
  const waiting = cases.values()
  const work = async (): Promise<void> => {
    // One iterator for all workers: each takes the next case.
    for (const conformanceCase of waiting) {
      const result = await runCase(conformanceCase, command)
      results.set(conformanceCase, result)
      tell(result)
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return cases.flatMap((conformanceCase) => results.get(conformanceCase) ?? [])
}

async function runCase(conformanceCase: ConformanceCase, command: string): Promise<Result> {
  const start = performance.now()
  const { status, detail } = await outcomeOf(conformanceCase, command)
  return { conformanceCase, status, detail, durationMs: Math.round(performance.now() - start) }
}

async function outcomeOf(
  { run }: ConformanceCase,
  command: string,
): Promise<Pick<Result, 'status' | 'detail'>> {
  const stage = new Stage(command)
  try {
    const outcome = await within(
      run(stage).then(() => 'done'),
      CASE_MS,
      'late',
    )
    if (outcome === 'done') return { status: 'PASS', detail: '' }
    return { status: 'ERROR', detail: `not done within ${CASE_MS} ms` }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof Skip) return { status: 'SKIP', detail: message }
    const detail = stage.log === '' ? message : `${message}\n${stage.log}`
    return { status: error instanceof Failure ? 'FAIL' : 'ERROR', detail }
  } finally {
    await stage[Symbol.asyncDispose]()
  }
}
