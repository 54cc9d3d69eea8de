// Fastify with the three plugins beside bare Fastify with static strict mTLS, in one run of under two minutes.
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Authority } from '@fastify-spiffe/authority'
import { KeptAlive, type Target, newConnections } from './load.ts'
import { MeasuredServer } from './measured-server.ts'
import { selfTimes } from './profile.ts'
import {
  type Round,
  type Spread,
  cpuPerUnit,
  pairedRatios,
  spread,
  unitsPerSecond,
} from './statistics.ts'

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
})

const ROUNDS = 16
const WARM_UP_ROUNDS = 2
const CONNECTIONS = 20
const REQUESTS_PER_CONNECTION = 1500
const NEW_CONNECTIONS = 400
const PARALLEL = 4

interface Pair {
  readonly plugins: Round[]
  readonly bare: Round[]
}

/** Runs the same work on both servers, again and again, the first of the two changing each time. */
async function interleave(
  servers: { readonly plugins: MeasuredServer; readonly bare: MeasuredServer },
  units: number,
  work: (kind: keyof Pair) => Promise<void>,
): Promise<Pair> {
  const rounds: Pair = { plugins: [], bare: [] }
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const order = round % 2 === 0 ? (['plugins', 'bare'] as const) : (['bare', 'plugins'] as const)
    for (const kind of order) {
      const measured = await servers[kind].measure(units, () => work(kind))
      if (round >= 0) rounds[kind].push(measured)
    }
  }
  return rounds
}

interface Result {
  readonly name: string
  readonly unit: string
  readonly goal: string
  readonly met: boolean
  readonly ratio: Spread
  readonly wallRatio: Spread
  readonly cpuUs: { readonly plugins: number; readonly bare: number }
  readonly perSecond: { readonly plugins: number; readonly bare: number }
}

const medianOf = (rounds: readonly Round[], measure: (round: Round) => number): number =>
  spread(rounds.map(measure)).median

function result(
  { plugins, bare }: Pair,
  about: { name: string; unit: string; goal: string; met: (cpuRatio: number) => boolean },
): Result {
  const ratio = pairedRatios(plugins, bare, cpuPerUnit)
  return {
    name: about.name,
    unit: about.unit,
    goal: about.goal,
    met: about.met(ratio.median),
    ratio,
    wallRatio: pairedRatios(plugins, bare, unitsPerSecond),
    cpuUs: {
      plugins: medianOf(plugins, cpuPerUnit) * 1000,
      bare: medianOf(bare, cpuPerUnit) * 1000,
    },
    perSecond: { plugins: medianOf(plugins, unitsPerSecond), bare: medianOf(bare, unitsPerSecond) },
  }
}

async function keptAliveRequests(
  servers: Record<keyof Pair, MeasuredServer>,
  client: Omit<Target, 'port'>,
): Promise<Pair> {
  const open = (kind: keyof Pair): Promise<KeptAlive[]> =>
    Promise.all(
      Array.from({ length: CONNECTIONS }, () =>
        KeptAlive.open({ ...client, port: servers[kind].port }),
      ),
    )
  const connections = { plugins: await open('plugins'), bare: await open('bare') }
  const pair = await interleave(servers, CONNECTIONS * REQUESTS_PER_CONNECTION, async (kind) => {
    await Promise.all(
      connections[kind].map((connection) => connection.send(REQUESTS_PER_CONNECTION)),
    )
  })
  for (const connection of [...connections.plugins, ...connections.bare]) connection.close()
  return pair
}

function freshConnections(
  servers: Record<keyof Pair, MeasuredServer>,
  client: Omit<Target, 'port'>,
): Promise<Pair> {
  return interleave(servers, NEW_CONNECTIONS, (kind) =>
    newConnections({ ...client, port: servers[kind].port }, NEW_CONNECTIONS, PARALLEL),
  )
}

async function run(): Promise<Result[]> {
  const profileFolder = flags.profile
    ? mkdtempSync(join(tmpdir(), 'fastify-spiffe-profile-'))
    : undefined
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  await using endpoint = await authority.serve({ spiffeId: 'spiffe://example.org/acme/orders' })
  const [orders, web] = await Promise.all([
    authority.issueX509Svid('spiffe://example.org/acme/orders'),
    authority.issueX509Svid('spiffe://example.org/acme/web'),
  ])
  const ca = authority.bundle.authorities.map((certificate) => certificate.x509.toString()).join('')
  const servers = {
    plugins: await MeasuredServer.start(
      { kind: 'plugins', address: endpoint.address },
      profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`],
    ),
    bare: await MeasuredServer.start({
      kind: 'bare',
      cert: orders.exportCertificatesPem(),
      key: orders.exportPrivateKeyPem(),
      ca,
    }),
  }
  const client = { cert: web.exportCertificatesPem(), key: web.exportPrivateKeyPem() }
  const results = [
    result(await keptAliveRequests(servers, client), {
      name: 'kept-alive requests',
      unit: 'request',
      goal: 'at least 0.95 of the requests: CPU ratio at most 1.05',
      met: (cpuRatio) => 1 / cpuRatio >= 0.95,
    }),
    result(await freshConnections(servers, client), {
      name: 'new connections with one request',
      unit: 'connection',
      goal: 'CPU ratio at most 0.75',
      met: (cpuRatio) => cpuRatio <= 0.75,
    }),
  ]
  await Promise.all([servers.plugins.stop(), servers.bare.stop()])
  if (profileFolder !== undefined) printProfile(profileFolder)
  return results
}

function printProfile(folder: string): void {
  for (const file of readdirSync(folder)) {
    const profile = join(folder, file)
    console.log(`\nself time in ${profile}`)
    for (const { name, share } of selfTimes(readFileSync(profile, 'utf8')).slice(0, 25)) {
      console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`)
    }
  }
}

const ratio = ({ median, min, max }: Spread): string =>
  `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`

function print(results: readonly Result[]): void {
  console.log(
    `node ${process.version}, ${ROUNDS} paired rounds, the three plugins / bare Fastify with static strict mTLS`,
  )
  for (const row of results) {
    console.log(`\n${row.name}`)
    console.log(
      `  server CPU per ${row.unit}   ${ratio(row.ratio)}    ${row.cpuUs.plugins.toFixed(0)} / ${row.cpuUs.bare.toFixed(0)} µs`,
    )
    console.log(
      `  ${row.unit}s per second       ${ratio(row.wallRatio)}    ${row.perSecond.plugins.toFixed(0)} / ${row.perSecond.bare.toFixed(0)}`,
    )
    console.log(`  goal: ${row.goal}: ${row.met ? 'met' : 'missed'}`)
  }
}

const results = await run()
if (flags.json) console.log(JSON.stringify(results, null, 2))
else print(results)
