import { parseArgs } from 'node:util'
import { availableJudges } from './support/available-judges.ts'
import { linesOf } from './support/report.ts'
import { shareOf, targets } from './targets/index.ts'

// pnpm fuzz [--inputs 1000000] [--seed n] [--path p] [target…]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 0x7fff_ffff) },
    path: { type: 'string' },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const all = targets(await availableJudges(say))
const unknown = positionals.filter((name) => !all.some((target) => target.name === name))
const inputs = Number(values.inputs)
const seed = Number(values.seed)
if (unknown.length > 0 || !Number.isSafeInteger(inputs) || !Number.isSafeInteger(seed)) {
  say(
    `there are the targets ${all.map(({ name }) => name).join(', ')}; inputs and seed are numbers`,
  )
  process.exit(2)
}

const chosen = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name))
let total = 0
let findings = 0
for (const target of chosen) {
  const run = { inputs: shareOf(target, chosen, inputs), seed }
  const report = await target.fuzz(values.path === undefined ? run : { ...run, path: values.path })
  for (const line of linesOf(report)) say(line)
  total += report.inputs
  findings += report.findings.length
}
say(`${total} inputs, ${findings} findings, seed ${seed}`)
process.exitCode = findings === 0 ? 0 : 1
