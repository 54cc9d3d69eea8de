import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { report } from '../spire/support/report.ts'
import { Child } from './support/child.ts'
import type { Crowd, Protocol } from './support/crowd.ts'
import type { CrowdedServer } from './support/crowded-server.ts'
import type { Material } from './support/material.ts'

const WANTED = 10_000
const CONNECTIONS = withinLimit(WANTED)
/** Different certificates: with each of them the server has work of its own. */
const CERTIFICATES = 1_000

/** What other requests may have to wait while thousands of connections are judged. */
const MAX_DELAY_MS = 1_000

if (CONNECTIONS < WANTED) {
  report(`only ${CONNECTIONS} connections: no more files may be open in one process (ulimit -n)`)
}

let server: Child<CrowdedServer>
let port: number
let materials: readonly Material[]
let empty: NodeJS.MemoryUsage
let full: NodeJS.MemoryUsage
const crowds = new Map<Protocol, Child<Crowd>>()

beforeAll(async () => {
  server = new Child('crowded-server')
  port = await server.ask('port')
  materials = await server.ask('materials', CERTIFICATES)
  for (const protocol of ['http/1.1', 'h2'] as const) crowds.set(protocol, new Child('crowd'))
}, 120_000)

afterAll(async () => {
  for (const child of [...crowds.values(), server]) await child?.[Symbol.asyncDispose]()
})

/** As many connections as the server may have files open, beside those that it needs itself. */
function withinLimit(wanted: number): number {
  const { userLimits } = process.report.getReport() as {
    userLimits: { open_files: { soft: number | 'unlimited' } }
  }
  const { soft } = userLimits.open_files
  return soft === 'unlimited' ? wanted : Math.min(wanted, Math.floor((soft - 200) / 1_000) * 1_000)
}

/** How many requests were answered with 200, of so many. */
async function answered(step: number): Promise<{ answers: number; of: number }> {
  let answers = 0
  for (const crowd of crowds.values()) answers += (await crowd.ask('request', step)).get(200) ?? 0
  return { answers, of: CONNECTIONS / step }
}

const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MB`

test(`${CONNECTIONS} connections are kept, and cost a bounded amount of memory`, async () => {
  empty = await server.ask('memory')
  let { rss } = empty
  for (const [protocol, crowd] of crowds) {
    const startedAt = performance.now()
    const count = await crowd.ask('connect', port, protocol, materials, CONNECTIONS / 2)
    const seconds = (performance.now() - startedAt) / 1000
    const now = (await server.ask('memory')).rss
    const each = Math.round((now - rss) / count / 1024)
    report(
      `${count} connections with ${protocol} in ${seconds.toFixed(0)} s; ${megabytes(now)}, ${each} KB for each`,
    )
    expect(count).toBe(CONNECTIONS / 2)
    expect(each).toBeLessThan(300)
    rss = now
  }
  full = await server.ask('memory')
  expect(await server.ask('connections')).toMatchObject({
    open: CONNECTIONS,
    verified: CONNECTIONS,
  })
  const { answers, of } = await answered(10)
  expect(answers).toBe(of)
}, 240_000)

test('a bundle that changes has all of them judged anew, between other requests, and sends nobody away', async () => {
  await server.ask('rotateBundle')
  const { answers, of } = await answered(10)
  expect(answers).toBe(of)
  const delay = await server.ask('longestDelayMs')
  report(`nothing else got its turn for at most ${Math.round(delay)} ms`)
  expect(delay).toBeLessThan(MAX_DELAY_MS)
  expect(await server.ask('connections')).toMatchObject({
    open: CONNECTIONS,
    verified: CONNECTIONS,
  })
}, 60_000)

test('an authority that leaves the bundle sends all of them away', async () => {
  const startedAt = performance.now()
  await server.ask('removeAuthority')
  await server.ask('emptied')
  report(`all were gone after ${Math.round(performance.now() - startedAt)} ms`)
  const delay = await server.ask('longestDelayMs')
  report(`nothing else got its turn for at most ${Math.round(delay)} ms`)
  expect(delay).toBeLessThan(MAX_DELAY_MS)
  expect(await server.ask('connections')).toMatchObject({ open: 0 })
  for (const crowd of crowds.values()) await crowd.ask('emptied')
  const { heapUsed } = await server.ask('memory')
  const [before, then, now] = [empty.heapUsed, full.heapUsed, heapUsed]
  report(
    `heap: ${megabytes(before)} before, ${megabytes(then)} with all, ${megabytes(now)} afterwards`,
  )
}, 60_000)
