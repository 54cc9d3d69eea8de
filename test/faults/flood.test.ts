import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Authority, mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle } from '@fastify-spiffe/spiffe'
import type { PeerRejectedEvent } from '@fastify-spiffe/tls'
import { report } from '../spire/support/report.ts'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { Child } from './support/child.ts'
import type { Crowd } from './support/crowd.ts'
import { materialOf, type Material } from './support/material.ts'
import { ORDERS, Service, WEB } from './support/service.ts'
import { Traffic } from './support/traffic.ts'

const FLOOD = 2_000
const LINES_PER_SECOND = 10

/** As many certificates as fit into the 100 KB that OpenSSL takes from a peer. */
const CHAIN_BYTES = 100 * 1024

interface LogLine {
  readonly msg: string
  readonly suppressed?: number
}

let authority: Authority
let source: ScriptedSource
let caller: ScriptedSource
let service: Service
let attackers: Child<Crowd>
const lines: LogLine[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'a.test' })
  source = new ScriptedSource(await authority.issueX509Svid(ORDERS), BundleSet.of(authority.bundle))
  caller = new ScriptedSource(await authority.issueX509Svid(WEB), BundleSet.of(authority.bundle))
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  service = await Service.start(source, { logTo })
  attackers = new Child('crowd')
})

afterAll(async () => {
  for (const part of [attackers, service, source, caller, authority]) {
    await part?.[Symbol.asyncDispose]()
  }
})

const refusals = () => lines.filter(({ msg }) => msg === 'client rejected at the handshake')

/** Codes with which the server has cut peers, from here on. */
function recordRejections(): { stop(): Map<string, number> } {
  const codes = new Map<string, number>()
  const listener = (message: unknown): void => {
    const { side, code } = message as PeerRejectedEvent
    if (side === 'server') codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  subscribe('spiffe:peer:rejected', listener)
  return {
    stop: () => {
      unsubscribe('spiffe:peer:rejected', listener)
      return codes
    },
  }
}

const total = (codes: Map<string, number>): number =>
  [...codes.values()].reduce((sum, count) => sum + count, 0)

test(`a flood of ${FLOOD} bad certificates fills no log, is counted to the last one, and costs no good request`, async () => {
  const stranger = await mintRootCa('a.test')
  const bad: readonly Material[] = [
    materialOf(await stranger.mint(WEB)),
    materialOf(await authority.mint(WEB, { notAfter: Date.now() - 1_000 })),
    materialOf(await authority.mint(WEB, { ca: true })),
    materialOf(await authority.mint('spiffe://b.test/web')),
  ]
  const { accepted, rejected } = service.identity.counters
  const codes = recordRejections()
  const traffic = new Traffic({ source: caller, server: ORDERS, port: service.port })
  await traffic.progress(5)
  const startedAt = performance.now()
  await attackers.ask('knock', service.port, bad, FLOOD)
  const seconds = (performance.now() - startedAt) / 1000
  const failures = await traffic.failures()
  await traffic[Symbol.asyncDispose]()

  const logged = refusals()
  const suppressed = logged.reduce((sum, line) => sum + (line.suppressed ?? 0), 0)
  const seen = codes.stop()
  report(
    `${FLOOD} bad certificates in ${seconds.toFixed(1)} s: ${logged.length} log lines, which tell of ${suppressed} more`,
  )
  expect(failures).toEqual([])
  expect(service.identity.counters.rejected).toBe(rejected + FLOOD)
  expect(total(seen)).toBe(FLOOD)
  expect(seen.size).toBe(bad.length)
  expect(new Set(seen.values())).toEqual(new Set([FLOOD / bad.length]))
  expect(service.identity.counters.accepted).toBeGreaterThan(accepted)
  expect(logged.length).toBeGreaterThan(0)
  expect(logged.length).toBeLessThanOrEqual(LINES_PER_SECOND * (Math.ceil(seconds) + 1))
  expect(logged.length + suppressed).toBeLessThanOrEqual(FLOOD)
}, 120_000)

const SUBJECT = 'C=US,O=SPIFFE'

/** CAs of one name with different keys, in so many bytes. */
async function lookAlikes(bytes: number): Promise<MintedCa[]> {
  const first = await mintRootCa('a.test', { subject: SUBJECT })
  const count = Math.floor(bytes / first.der.length)
  const others = Array.from({ length: count - 1 }, () => mintRootCa('a.test', { subject: SUBJECT }))
  return [first, ...(await Promise.all(others))]
}

test('a chain of 100 KB of look-alike CAs is refused at a bounded price, and costs no good request', async () => {
  const original = await mintRootCa('a.test', { subject: SUBJECT })
  const alikes = await lookAlikes(CHAIN_BYTES - 4_096)
  source.set(source.svid, bundleWith(original))
  const decoys = alikes.map(({ der }) => der)
  const bad = materialOf(
    await alikes[0]!.mint(WEB, { chain: ([leaf]) => [leaf!, ...decoys.slice(1)] }),
  )
  const codes = recordRejections()
  const before = process.cpuUsage()
  await attackers.ask('knock', service.port, [bad], 20)
  const { user, system } = process.cpuUsage(before)
  report(
    `${alikes.length} look-alikes: ${((user + system) / 1000 / 20).toFixed(1)} ms of CPU for each handshake`,
  )

  await using traffic = new Traffic({ source: caller, server: ORDERS, port: service.port })
  await Promise.all([traffic.progress(20), attackers.ask('knock', service.port, [bad], 20)])
  expect(codes.stop()).toEqual(new Map([['bad-signature', 40]]))
  expect(await traffic.failures()).toEqual([])
}, 60_000)

test('100 KB of look-alike CAs in the bundle keep no good caller out', async () => {
  const original = await mintRootCa('a.test', { subject: SUBJECT })
  const alikes = await lookAlikes(CHAIN_BYTES)
  source.set(source.svid, bundleWith(...alikes, original))
  const good = Array.from({ length: 20 }, () => original.mint(WEB))
  const materials = (await Promise.all(good)).map(materialOf)
  const { accepted } = service.identity.counters
  const startedAt = performance.now()
  expect(
    await attackers.ask('connect', service.port, 'http/1.1', materials, materials.length),
  ).toBe(20)
  report(
    `${alikes.length} look-alikes in the bundle: ${((performance.now() - startedAt) / 20).toFixed(1)} ms for each connection`,
  )
  expect(service.identity.counters.accepted).toBe(accepted + 20)
}, 60_000)

function bundleWith(...more: readonly MintedCa[]): BundleSet {
  const certificates = more.map(({ certificate }) => certificate)
  return BundleSet.of(
    X509Bundle.of(authority.trustDomain, [...authority.bundle.authorities, ...certificates]),
  )
}
