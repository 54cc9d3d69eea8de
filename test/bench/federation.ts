// 1,000 trust domains followed: what the longest turn of the event loop takes while their bundles come, while all are
// asked and none has changed, while all rotate, and at a start without network.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { Federation, type FederationOptions, type FollowOptions } from '@fastify-spiffe/federation'
import {
  Bundle,
  BundleSet,
  TrustDomain,
  withFallbackBundles,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import type { EndpointsReady } from './federation/endpoints.ts'
import { TurnMeter } from './federation/turn-meter.ts'

const DOMAINS = Number(process.argv[2] ?? 1000)
const GOAL_MS = 5

// In a process of their own, so that their turns are not counted.
const endpoints = fork(fileURLToPath(new URL('./federation/endpoints.js', import.meta.url)))
const [ready] = (await once(endpoints, 'message')) as [EndpointsReady]
const folder = await mkdtemp(join(tmpdir(), 'federation-bench-'))
const authority = await Authority.create({ trustDomain: 'own.test' })
const own = await authority.source('spiffe://own.test/service')
const hub = Bundle.parse(TrustDomain.parse('hub.test'), ready.hubBundle)

const hubSource: X509BundleSource = {
  bundles: BundleSet.of(hub.x509),
  state: 'ready',
  onUpdate: () => () => {},
  nextUpdate: () => new Promise(() => {}),
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
}

/** Every second one in each profile. */
function followed(index: number): FollowOptions {
  const trustDomain = `d${index}.test`
  const { webPort, webCa: ca, spiffePort, endpointSpiffeId } = ready
  return index % 2 === 0
    ? { trustDomain, url: `https://localhost:${webPort}/`, profile: 'https_web', ca }
    : {
        trustDomain,
        url: `https://localhost:${spiffePort}/`,
        profile: 'https_spiffe',
        endpointSpiffeId,
      }
}

const options: FederationOptions = {
  directory: join(folder, 'bundles'),
  openTimeoutMs: 300_000,
  source: hubSource,
  lookup: (_name, { all }, callback) => {
    if (all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
    else callback(null, '127.0.0.1', 4)
  },
  trustDomains: Array.from({ length: DOMAINS }, (_each, index) => followed(index)),
}

async function measure<T>(what: string, act: () => Promise<T>): Promise<T> {
  const meter = new TurnMeter()
  const began = performance.now()
  const result = await act()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const report = meter.stop(GOAL_MS)
  const { turns, clock } = report
  const rss = Math.round(process.memoryUsage().rss / 1024 / 1024)
  process.stdout.write(
    `${what.padEnd(38)} ${seconds.padStart(6)} s  ${rss} MB  ${turns} turns (${clock})\n` +
      `  longest           ${report.maxMs.toFixed(2)} ms, ${report.overGoal} above ${GOAL_MS} ms\n` +
      `  without pauses for garbage  ${report.maxOwnMs.toFixed(2)} ms, ${report.ownOverGoal} above\n`,
  )
  return result
}

function expectAll(federation: Federation, sequence: bigint): void {
  const others = federation.trustDomains.filter((each) => each.sequence !== sequence)
  if (others.length > 0) throw new Error(`${others.length} have another sequence than ${sequence}`)
}

const names = Array.from({ length: DOMAINS }, (_each, index) => `d${index}.test`)
// Loaded, compiled and warm: the first of a kind takes longer, once.
const few = {
  ...options,
  directory: join(folder, 'few'),
  trustDomains: names.slice(0, 20).map((_, index) => followed(index)),
}
await (await Federation.open(few)).close()

const federation = await measure(`${DOMAINS} bundles fetched`, () => Federation.open(options))
expectAll(federation, 1n)
// What a server reads after each update.
const source = withFallbackBundles(own, federation)
let updates = 0
source.onUpdate(() => (updates += Math.sign(source.bundles.size)))
const refreshAll = (): Promise<unknown> =>
  Promise.all(names.map((name) => federation.refresh(name)))
await measure(`${DOMAINS} asked, none has changed`, refreshAll)
endpoints.send('rotate')
await once(endpoints, 'message')
await measure(`${DOMAINS} rotated, each an update`, refreshAll)
expectAll(federation, 2n)
if (updates !== DOMAINS) throw new Error(`${updates} updates`)
await source.close()
endpoints.disconnect()
const stored = { ...options, openTimeoutMs: 0 }
const again = await measure(`${DOMAINS} read from the directory`, () => Federation.open(stored))
expectAll(again, 2n)
await again.close()
await authority.close()
await rm(folder, { recursive: true, force: true })
