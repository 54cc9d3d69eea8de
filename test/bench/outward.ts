// Outgoing calls beside the same calls without this project, in one run.
import { parseArgs } from 'node:util'
import { compareChains } from './outward/chain.ts'
import { compareGrpc } from './outward/grpc.ts'
import { compareHttp } from './outward/http.ts'
import type { Comparison } from './outward/paired.ts'
import type { Spread } from './statistics.ts'

const { values: flags } = parseArgs({ options: { json: { type: 'boolean', default: false } } })

const results: readonly Comparison[] = [
  ...(await compareHttp()),
  ...(await compareGrpc()),
  ...(await compareChains()),
]

if (flags.json) console.log(JSON.stringify(results, null, 2))
else print()

function print(): void {
  console.log(`node ${process.version}, ours / bare, medians of paired rounds`)
  for (const { name, unit, goals, cpuRatio, speedRatio, cpuUs } of results) {
    console.log(`\n${name}`)
    console.log(
      `  client CPU per ${unit}   ${ratio(cpuRatio)}    ${cpuUs.ours.toFixed(0)} / ${cpuUs.bare.toFixed(0)} µs`,
    )
    console.log(`  ${unit}s per second   ${ratio(speedRatio)}`)
    for (const { text, isMet } of goals) console.log(`  goal: ${text}: ${isMet ? 'met' : 'missed'}`)
  }
}

function ratio({ median, min, max }: Spread): string {
  return `${median.toFixed(3)} (${min.toFixed(2)} to ${max.toFixed(2)})`
}
