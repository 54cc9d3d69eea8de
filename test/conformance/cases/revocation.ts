import {
  mintRootCa,
  type MintedCa,
  type MintedCertificate,
  type RevocationListTemplate,
} from '@fastify-spiffe/authority'
import { HARNESS_ID } from '../driver/agent.ts'
import { entry, federated, type AgentState } from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import { serialNumberOf, untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_DOMAIN, meetAsClient, meetAsServer, PEER_ID, type Role } from './peer-case.ts'
import { serving, type UpdateScene } from './workload-api.ts'

interface Row {
  readonly title: string
  readonly rule: string
  /** Whether the peer is refused while the lists hold. */
  readonly isRefused: boolean
  /** What the peer is, besides a good one of the home authority. */
  readonly peer?: (home: MintedCa) => Promise<{ peer: MintedCertificate; issuer: MintedCa }>
  readonly lists: (scene: ListScene) => Promise<readonly Uint8Array[]>
}

interface ListScene {
  readonly home: MintedCa
  /** Federated. */
  readonly foreign: MintedCa
  /** Who has issued the peer. */
  readonly issuer: MintedCa
  readonly peer: MintedCertificate
}

const HOUR_MS = 3_600_000

/** A list of an authority that names the peer. */
const naming = (
  issuer: MintedCa,
  peer: MintedCertificate,
  template: RevocationListTemplate = {},
): Promise<Buffer> => issuer.mintRevocationList({ revoked: [serialNumberOf(peer)], ...template })

const rows: readonly Row[] = [
  {
    title: 'a peer that a list of its authority names is refused',
    rule: 'RFC 5280 §6.3',
    isRefused: true,
    lists: async ({ home, peer }) => [await naming(home, peer)],
  },
  {
    title: 'a peer behind an intermediate that a list names is refused',
    rule: 'RFC 5280 §6.3',
    isRefused: true,
    peer: async (home) => {
      const intermediate = await home.mintCa()
      return { peer: await intermediate.mint(PEER_ID), issuer: intermediate }
    },
    lists: async ({ home, issuer }) => [
      await home.mintRevocationList({ revoked: [issuer.certificate.serialNumber] }),
    ],
  },
  {
    title: 'a list that names somebody else disturbs nobody',
    rule: 'RFC 5280 §6.3',
    isRefused: false,
    lists: async ({ home }) => [await naming(home, await home.mint(PEER_ID))],
  },
  {
    title: 'lists that are garbage, or that nobody trusted has signed, revoke nobody',
    rule: 'RFC 5280 §6.3.3 g',
    isRefused: false,
    lists: async ({ home, peer }) => [
      Buffer.from('no list'),
      await naming(home, peer, { corruptSignature: true }),
      await naming(home, peer, { signedBy: await mintRootCa('example.org') }),
    ],
  },
  {
    title: 'a list of another trust domain revokes nobody here',
    rule: '§4.6',
    isRefused: false,
    lists: async ({ foreign, peer }) => [await naming(foreign, peer)],
  },
  {
    title: 'a list after its next update is not used',
    rule: 'RFC 5280 §6.3.3 a',
    isRefused: false,
    lists: async ({ home, peer }) => [
      await naming(home, peer, {
        thisUpdate: Date.now() - 2 * HOUR_MS,
        nextUpdate: Date.now() - HOUR_MS,
      }),
    ],
  },
]

/** Sends a state with a fresh SVID, and waits until it is presented: by then the rest of it holds. */
async function follow(
  { home, agent, harness, client }: UpdateScene,
  before: MintedCertificate,
  rest: Omit<AgentState, 'svids'>,
): Promise<MintedCertificate> {
  const next = await home.mint(HARNESS_ID)
  agent.publish({ svids: [entry(HARNESS_ID, next, home)], ...rest })
  await untilPresented(harness, client, next, before)
  return next
}

async function run(stage: Stage, role: Role, { isRefused, ...row }: Row): Promise<void> {
  const meet = role === 'server' ? meetAsClient : meetAsServer
  const scene = await serving(stage)
  const { home, harness, client } = scene
  const foreign = await mintRootCa(FOREIGN_DOMAIN)
  const made = await row.peer?.(home)
  const peer = made?.peer ?? (await home.mint(PEER_ID))
  const issuer = made?.issuer ?? home
  const federated_bundles = federated(foreign)
  const first = await follow(scene, scene.svid, { federated_bundles })
  expectEqual(await meet(stage, harness, peer), PEER_ID, 'without lists, the peer is')
  const crl = await row.lists({ home, foreign, issuer, peer })
  const second = await follow(scene, first, { federated_bundles, crl })
  const outcome = await meet(stage, harness, peer)
  if (isRefused) expectThat(outcome === null, `accepted, as ${outcome}`)
  else expectEqual(outcome, PEER_ID, 'the peer is')
  expectEqual(await meet(stage, harness, client), PEER_ID, 'a peer that no list names is')
  // Workload API §4.4: a message is a complete state, so what it leaves out holds no more.
  await follow(scene, second, { federated_bundles })
  expectEqual(await meet(stage, harness, peer), PEER_ID, 'without lists again, the peer is')
}

export const revocation: readonly ConformanceCase[] = rows.flatMap((row, index) =>
  (['server', 'client'] as const).map((role) => ({
    name: `CRL-${index + 1}/${role}`,
    level: 'optional' as const,
    title: row.title,
    rule: `Workload API §5.1 (78); ${row.rule}`,
    run: (stage: Stage) => run(stage, role, row),
  })),
)
