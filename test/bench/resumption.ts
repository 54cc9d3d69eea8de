// What a connection costs that resumes its session, beside one with a full handshake, in one run.
import { Authority } from '@fastify-spiffe/authority'
import { newConnections, sessionOf } from './load.ts'
import { MeasuredServer } from './measured-server.ts'
import { type Round, type Spread, cpuPerUnit, pairedRatios, spread } from './statistics.ts'

const ROUNDS = 12
const WARM_UP_ROUNDS = 2
const CONNECTIONS = 300
const PARALLEL = 4

const SERVICE = 'spiffe://example.org/acme/orders'
const CLIENT = 'spiffe://example.org/acme/web'

const kinds = ['resumed', 'full', 'full without tickets'] as const

type Kind = (typeof kinds)[number]

async function measure(): Promise<Map<Kind, Round[]>> {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  await using endpoint = await authority.serve({ spiffeId: SERVICE })
  const { address } = endpoint
  const open = await MeasuredServer.start({
    kind: 'plugins',
    address,
    sessionTicketLifetimeMs: 3_600_000,
  })
  const closed = await MeasuredServer.start({ kind: 'plugins', address })
  const web = await authority.issueX509Svid(CLIENT)
  const client = { cert: web.exportCertificatesPem(), key: web.exportPrivateKeyPem() }
  const session = await sessionOf({ ...client, port: open.port })
  const work = new Map([
    ['resumed', { server: open, target: { ...client, port: open.port, session } }],
    ['full', { server: open, target: { ...client, port: open.port } }],
    ['full without tickets', { server: closed, target: { ...client, port: closed.port } }],
  ] as const)
  const rounds = new Map<Kind, Round[]>(kinds.map((kind) => [kind, []]))
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    // Another one is first each time.
    for (let turn = 0; turn < kinds.length; turn += 1) {
      const kind = kinds[(turn + round + WARM_UP_ROUNDS) % kinds.length] as Kind
      const part = work.get(kind)
      if (part === undefined) throw new Error(`nothing is known of ${kind}`)
      const measured = await part.server.measure(CONNECTIONS, () =>
        newConnections(part.target, CONNECTIONS, PARALLEL),
      )
      if (round >= 0) rounds.get(kind)?.push(measured)
    }
  }
  await Promise.all([open.stop(), closed.stop()])
  return rounds
}

const text = ({ median, min, max }: Spread): string =>
  `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`

const rounds = await measure()
const of = (kind: Kind): Round[] => rounds.get(kind) ?? []
console.log(`node ${process.version}, ${ROUNDS} rounds of ${CONNECTIONS} connections each`)
console.log('\nserver CPU per new connection with one request')
for (const kind of kinds) {
  const microseconds = spread(of(kind).map((round) => cpuPerUnit(round) * 1000)).median
  console.log(`  ${kind.padEnd(22)} ${microseconds.toFixed(0).padStart(6)} µs`)
}
for (const kind of ['full', 'full without tickets'] as const) {
  console.log(`  resumed / ${kind}: ${text(pairedRatios(of('resumed'), of(kind), cpuPerUnit))}`)
}
