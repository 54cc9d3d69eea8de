import { setInterval as ticks } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { X509Source } from 'fastify-spiffe'
import { SpireAgent, SpireServer } from './fixture/index.ts'
import { ChainOfServices, WORKLOADS } from './support/chain-of-services.ts'
import { report } from './support/report.ts'
import { nextRotation } from './support/rotations.ts'

/** Of all five workloads together: about one a second. The full run has 100. */
const ROTATIONS = Number(process.env['ROTATIONS'] ?? 25)
const TIMEOUT_MS = 60_000 + ROTATIONS * 3000
const CALLERS = 4
const EVERY_MS = 10
const EXPECTED = `200 ${WORKLOADS.slice(0, -1).join(' ')}`

/** A new SVID about every 5 s, and at least 10 s of the old one are left: what ends within 5 s signs nothing. */
const x509SvidTtlMs = 15_000

const parts: AsyncDisposable[] = []
const sources = new Map<string, X509Source>()

function keep<Part extends AsyncDisposable>(part: Part): Part {
  parts.unshift(part)
  return part
}

beforeAll(async () => {
  const server = keep(await SpireServer.start({ trustDomain: 'a.test' }))
  const node = { server, name: 'chain' }
  for (const spiffeId of WORKLOADS) {
    await server.entries.create({ parentId: SpireAgent.idOf(node), spiffeId, x509SvidTtlMs })
  }
  const { address } = keep(await SpireAgent.start(node))
  for (const pick of WORKLOADS) sources.set(pick, keep(await X509Source.open({ address, pick })))
})

afterAll(async () => {
  for (const part of parts) await part[Symbol.asyncDispose]()
})

test(
  'a chain over HTTP, HTTP, gRPC and HTTP names all hops at the last, and no call fails while all SVIDs rotate',
  async () => {
    await using services = await ChainOfServices.start(sources)
    const enough = new AbortController()
    const outcomes = new Map<string, number>()
    const rotations = new Map(WORKLOADS.map((id) => [id, 0]))
    const total = (): number => sum(rotations.values())
    const rotate = async (id: string, source: X509Source): Promise<void> => {
      while (!enough.signal.aborted) {
        await nextRotation(source)
        rotations.set(id, (rotations.get(id) ?? 0) + 1)
        if (total() >= ROTATIONS) enough.abort()
      }
    }
    const load = async (): Promise<void> => {
      for await (const outcome of outcomesOf(services, enough.signal)) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
    }

    await Promise.all([
      ...Array.from(sources, ([id, source]) => rotate(id, source)),
      ...Array.from({ length: CALLERS }, load),
    ])

    const calls = sum(outcomes.values())
    const failed = calls - (outcomes.get(EXPECTED) ?? 0)
    report(`${total()} rotations (${[...rotations.values()].join(' + ')}) of five SVIDs`)
    report(`${calls} calls through four hops, ${failed} failed`)
    report(`the last hop said: ${[...outcomes.keys()].join(' | ')}`)
    expect([...outcomes.keys()]).toEqual([EXPECTED])
    expect(calls).toBeGreaterThan(ROTATIONS)
    expect(Math.min(...rotations.values())).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)

/** Calls every 10 ms, or as soon as the call before is answered. */
async function* outcomesOf(services: ChainOfServices, signal: AbortSignal): AsyncGenerator<string> {
  for await (const _ of ticks(EVERY_MS)) {
    if (signal.aborted) return
    yield await services.call().then(
      ({ status, body }) => `${status} ${body}`,
      (error: unknown) => String(error),
    )
  }
}

function sum(counts: Iterable<number>): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
