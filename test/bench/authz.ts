// What authorization costs: rules, conditions, remembered decisions, engines, noisy tenants, memory, boot. In one run.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { costsOfEngines } from './authz/engines.ts'
import type { Cost } from './authz/measure.ts'
import { costsOfRules } from './authz/rules.ts'
import { hitRatesUnderNoise, type NoiseResult } from './authz/tenants.ts'
import { spread } from './statistics.ts'

const { values: flags } = parseArgs({ options: { json: { type: 'boolean', default: false } } })

const BOOTS = 7

interface Memory {
  readonly decisions: number
  readonly mebibytes: number
  readonly flushUs: number
  readonly left: number
}

/** CPU milliseconds of booting a thousand routes, each time in a process of its own. */
interface Boot {
  readonly threadMs: number
  readonly processMs: number
}

interface Boots {
  readonly guarded: readonly Boot[]
  readonly bare: readonly Boot[]
}

interface Goal {
  readonly what: string
  readonly goal: string
  readonly value: number
  readonly isMet: boolean
}

const runChild = promisify(execFile)

async function child<T>(script: string, ...args: readonly string[]): Promise<T> {
  const path = fileURLToPath(new URL(`./authz/${script}.js`, import.meta.url))
  const { stdout } = await runChild(process.execPath, ['--expose-gc', path, ...args])
  const result: T = JSON.parse(stdout)
  return result
}

async function boots(): Promise<Boots> {
  const result = { guarded: [] as Boot[], bare: [] as Boot[] }
  for (let round = 0; round < BOOTS; round++) {
    result.bare.push(await child('boot', 'bare'))
    result.guarded.push(await child('boot', 'guarded'))
  }
  return result
}

const medianOf = (each: readonly Boot[], of: keyof Boot): number =>
  spread(each.map((boot) => boot[of])).median

const best = (costs: readonly Cost[], start: string): number =>
  Math.max(...costs.filter(({ name }) => name.startsWith(start)).map((cost) => cost.best))

function atMost(what: string, value: number, bound: number, unit: string): Goal {
  return { what, goal: `at most ${bound} ${unit}`, value, isMet: value <= bound }
}

function goalsOf(
  rules: readonly Cost[],
  noise: readonly NoiseResult[],
  memory: Memory,
  booted: Boots,
): readonly Goal[] {
  const gate = best(rules, 'the gate')
  const half = noise.find((each) => each.noise === 0.5)
  const compileMs = medianOf(booted.guarded, 'threadMs') - medianOf(booted.bare, 'threadMs')
  return [
    atMost(
      'a local rule, beyond what the gate costs anyway',
      best(rules, 'a local') - gate,
      100,
      'ns',
    ),
    atMost('a remembered decision, the gate included', best(rules, 'a remembered'), 1000, 'ns'),
    {
      what: 'hits of the others, at 50 % noise',
      goal: 'at least 0.99',
      value: half?.hitRate ?? 0,
      isMet: (half?.hitRate ?? 0) >= 0.99,
    },
    atMost(`${memory.decisions} decisions`, memory.mebibytes, 50, 'MiB'),
    atMost('forgetting a tenant', memory.flushUs, 2, 'µs'),
    atMost('1,000 routes with the plugin, beyond those without', compileMs, 200, 'ms'),
  ]
}

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

function printCosts(costs: readonly Cost[], unitOf: Cost): void {
  for (const { name, best: least, median } of costs) {
    const times = `${number(least / unitOf.best)} ×`
    console.log(
      `  ${name.padEnd(50)} ${number(least).padStart(8)} ns   median ${number(median).padStart(8)} ns ${times.padStart(10)}`,
    )
  }
}

const rules = await costsOfRules()
const noise: NoiseResult[] = []
for (const share of [0, 0.1, 0.5, 0.9]) noise.push(await hitRatesUnderNoise(share))
const memory = await child<Memory>('memory')
const booted = await boots()
const engines = await costsOfEngines()
const goals = goalsOf(rules, noise, memory, booted)

if (flags.json) {
  console.log(JSON.stringify({ rules, engines, noise, memory, boots: booted, goals }, null, 2))
} else {
  const [unitOf] = rules
  console.log(`node ${process.version}; CPU time, the best round of 11; × the gate alone\n\nrules`)
  printCosts(rules, unitOf!)
  console.log('\nengines, and others beside them')
  printCosts(engines.costs, unitOf!)
  for (const reason of engines.leftOut) console.log(`  left out: ${reason}`)
  console.log('\nhits of 199 tenants with 500 keys each, while another one mints new keys')
  for (const each of noise) {
    const [own, one] = [each.hitRate, each.oneLruHitRate].map((share) => (share * 100).toFixed(1))
    console.log(`  noise ${each.noise * 100} %:  ${own} %   with one LRU for all ${one} %`)
  }
  console.log(
    `\nmemory of ${memory.decisions} decisions ${number(memory.mebibytes)} MiB, forgetting a tenant ${number(memory.flushUs)} µs`,
  )
  for (const [of, what] of [
    ['threadMs', 'the thread that boots'],
    ['processMs', 'the whole process'],
  ] as const) {
    const [guarded, bare] = [booted.guarded, booted.bare].map((each) => number(medianOf(each, of)))
    console.log(
      `boot of 1,000 routes, CPU of ${what}: ${guarded} ms, without the plugin ${bare} ms`,
    )
  }
  console.log('\ngoals')
  for (const { what, goal, value, isMet } of goals) {
    console.log(`  ${what}: ${goal}: ${number(value)}: ${isMet ? 'met' : 'missed'}`)
  }
}
