// What it costs to judge all live peers of a server anew after a change of bundles, and for how long at a time.
import { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, RevocationList, X509Bundle } from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import type {
  RevocationPolicy,
  WaitOptions,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import { createSvidTlsServer, identityOf } from '@fastify-spiffe/tls'
import { leavesOf } from './leaves.ts'

const PEERS = 20_000
const DOMAIN = 'example.org'

/** What a server asks of a connection, without the connection. */
class Connection extends EventEmitter {
  readonly destroyed = false
  readonly #leaf: X509Certificate

  constructor(leaf: X509Certificate) {
    super()
    this.#leaf = leaf
  }

  getPeerX509Certificate(): X509Certificate {
    return this.#leaf
  }

  isSessionReused(): boolean {
    return false
  }

  destroy(): void {
    this.emit('close')
  }

  end(): void {
    this.emit('close')
  }
}

/** A source that counts how often its bundles are looked at: once for each peer in a sweep. */
class CountingSource implements X509MaterialSource {
  readonly #updates = new Updates()
  readonly svid: X509Svid
  readonly state = 'ready'
  looks = 0
  #bundles: BundleSet

  constructor(svid: X509Svid, bundles: BundleSet) {
    this.svid = svid
    this.#bundles = bundles
  }

  get bundles(): BundleSet {
    this.looks += 1
    return this.#bundles
  }

  put(bundles: BundleSet): void {
    this.#bundles = bundles
    this.#updates.notify()
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

interface Sweep {
  readonly wallMs: number
  readonly cpuMs: number
  readonly longestTurnMs: number
}

async function sweep(source: CountingSource, bundles: BundleSet): Promise<Sweep> {
  source.looks = 0
  const start = performance.now()
  const cpu = process.cpuUsage()
  let longestTurnMs = 0
  let last = cpu
  source.put(bundles)
  while (source.looks < PEERS) {
    await new Promise(setImmediate)
    // In CPU time, as other work on the machine would stretch it.
    longestTurnMs = Math.max(longestTurnMs, millisecondsSince(last))
    last = process.cpuUsage()
  }
  return { wallMs: performance.now() - start, cpuMs: millisecondsSince(cpu), longestTurnMs }
}

function millisecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** A server that 20,000 peers have come to, each with a certificate of its own. */
function serve(
  source: X509MaterialSource,
  leaves: readonly X509Certificate[],
  revocation: RevocationPolicy,
): () => void {
  const options = { revocation, maxCachedVerdicts: PEERS }
  const server = createSvidTlsServer(source, options, () => undefined)
  for (const leaf of leaves) server.emit('secureConnection', new Connection(leaf))
  const { verified = 0 } = identityOf(server)?.connections ?? {}
  if (verified !== PEERS) throw new Error(`${verified} of ${PEERS} peers were verified`)
  return () => identityOf(server)?.close()
}

const bundlesOf = (authorities: readonly MintedCa[], lists: readonly RevocationList[]): BundleSet =>
  BundleSet.of(
    X509Bundle.of(
      authorities[0]!.trustDomain,
      authorities.map(({ certificate }) => certificate),
      lists,
    ),
  )

const authority = await mintRootCa(DOMAIN)
const next = await mintRootCa(DOMAIN)
const { subject, keyPair } = authority
const renewed = await mintRootCa(DOMAIN, { subject, keyPair })
const svid = (await authority.mint(`spiffe://${DOMAIN}/server`)).toX509Svid()
const leaves = await leavesOf(authority, PEERS)
const others = Array.from({ length: 10_000 }, (_, index) => (index + 0x10_000).toString(16))
const listOf = async (revoked: readonly string[]): Promise<RevocationList> =>
  RevocationList.fromDer(
    await authority.mintRevocationList({
      revoked: revoked.map((serial) => serial.padStart(8, '0')),
    }),
  )
const [empty, small, long] = [await listOf([]), await listOf(['7f']), await listOf(others)]

interface Case {
  readonly name: string
  readonly revocation?: RevocationPolicy
  readonly before?: BundleSet
  readonly after: BundleSet
}

const held = bundlesOf([authority], [])
const cases: readonly Case[] = [
  { name: 'nothing has changed', after: held },
  { name: 'an authority joins', after: bundlesOf([authority, next], []) },
  { name: 'a revocation list that names none of them', after: bundlesOf([authority], [small]) },
  { name: 'one with 10,000 entries', after: bundlesOf([authority], [long]) },
  { name: 'their authority is renewed with its key', after: bundlesOf([renewed], []) },
  {
    name: 'the next list, where one has to stand for them',
    revocation: 'strict',
    before: bundlesOf([authority], [empty]),
    after: bundlesOf([authority], [small]),
  },
]

process.stdout.write(
  `${PEERS} live peers, all of them trusted before and after; three rounds each\n\n`,
)
for (const { name, revocation = 'soft', before = held, after } of cases) {
  const source = new CountingSource(svid, before)
  const close = serve(source, leaves, revocation)
  const rounds: Sweep[] = []
  for (let round = 0; round < 3; round += 1) {
    rounds.push(await sweep(source, after))
    await sweep(source, before)
  }
  close()
  const best = rounds.reduce((one, other) => (other.cpuMs < one.cpuMs ? other : one))
  const turn = Math.min(...rounds.map(({ longestTurnMs }) => longestTurnMs))
  const cells = [best.wallMs, best.cpuMs, turn].map((ms) => `${ms.toFixed(1)} ms`.padStart(11))
  process.stdout.write(
    `${name.padEnd(48)} wall${cells[0]}   CPU${cells[1]}   longest turn${cells[2]}\n`,
  )
}
