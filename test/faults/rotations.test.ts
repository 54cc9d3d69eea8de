import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { report } from '../spire/support/report.ts'
import { NodeProcess } from '../support/process.ts'
import type { Sample } from './rotations.ts'

const ROTATIONS = 10_000
const SCRIPT = fileURLToPath(new URL('rotations.js', import.meta.url))

const MEGABYTE = 1024 * 1024

test(`${ROTATIONS} rotations of SVID and bundles leave memory, handles and listeners as they were`, async () => {
  await using script = new NodeProcess(SCRIPT, { ROTATIONS: String(ROTATIONS) })
  const { code, out, error } = await script.end()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  const samples = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample)
  // After a warm-up: code is compiled, caches are filled.
  const [first, last] = [samples.at(5)!, samples.at(-1)!]
  for (const kind of ['rss', 'heapUsed', 'external'] as const) {
    report(
      `${kind}: ${(first[kind] / MEGABYTE).toFixed(1)} MB after ${first.rotation}, ${(last[kind] / MEGABYTE).toFixed(1)} MB after ${last.rotation}`,
    )
    expect(last[kind]).toBeLessThan(first[kind] * 1.05)
  }
  expect(last.resources).toBeLessThanOrEqual(first.resources)
  expect(last.listeners).toBe(first.listeners)
}, 180_000)
