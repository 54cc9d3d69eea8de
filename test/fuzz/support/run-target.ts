import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { heapAfterCollection, heapGrowth } from './memory.ts'
import { Stopwatch } from './stopwatch.ts'
import type { Outcome, Report, Run, Target, TargetEntry } from './target.ts'

/** What a run may leave behind: far more than all that is remembered on purpose, and less than a leak makes of many inputs. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024

/** After so many inputs the event loop gets its turn: what is freed there would pile up otherwise. */
const INPUTS_PER_TURN = 100

const MAX_SHOWN_BYTES = 16 * 1024

/** Makes an entry of the list of targets; the target is opened when it is run. */
export function entry<Input>(
  name: string,
  share: number,
  open: () => Target<Input> | Promise<Target<Input>>,
): TargetEntry {
  return { name, share, fuzz: async (run) => fuzz(name, await open(), run) }
}

async function fuzz<Input>(name: string, opened: Target<Input>, run: Run): Promise<Report> {
  await using target = opened
  const outcomes = new Map<Outcome, number>()
  const stopwatch = new Stopwatch(run.clock)
  const before = await heapAfterCollection()
  let sinceTurn = 0
  const details = await fc.check(
    fc.asyncProperty(target.inputs, async (input) => {
      const outcome = await stopwatch.time(() => target.read(input))
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      sinceTurn = (sinceTurn + 1) % INPUTS_PER_TURN
      if (sinceTurn === 0) await setImmediate()
    }),
    {
      numRuns: run.inputs,
      seed: run.seed,
      ...(run.path === undefined ? {} : { path: run.path, endOnFailure: true }),
    },
  )
  const findings: string[] = []
  if (details.failed) findings.push(describe(name, target, details))
  const growth = await heapGrowth(before, MAX_GROWTH_BYTES)
  if (growth > MAX_GROWTH_BYTES) findings.push(`${name}: ${growth} bytes of heap are left behind`)
  findings.push(...((await target.conclude?.()) ?? []))
  return {
    name,
    seed: run.seed,
    inputs: details.numRuns,
    outcomes,
    slowestMs: stopwatch.slowestMs,
    findings,
    remarks: target.remarks?.() ?? [],
  }
}

function describe<Input>(
  name: string,
  target: Target<Input>,
  { counterexample, counterexamplePath, errorInstance, seed, numShrinks }: fc.RunDetails<[Input]>,
): string {
  const bytes = counterexample === null ? Buffer.alloc(0) : target.bytesOf(counterexample[0])
  const hex = Buffer.from(bytes.subarray(0, MAX_SHOWN_BYTES)).toString('hex')
  const error = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance)
  return [
    `${name}: ${error}`,
    `  input, shrunk ${numShrinks} times, ${bytes.length} bytes: ${hex}`,
    `  again: pnpm fuzz --seed ${seed} --path ${counterexamplePath} ${name}`,
  ].join('\n')
}
