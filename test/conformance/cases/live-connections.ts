import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { HeldConnection } from '../driver/held-connection.ts'
import type { Harness } from '../driver/harness.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import { within } from '../driver/timing.ts'
import { serialNumberOf, untilPresented } from '../driver/watch.ts'
import { expectThat, type ConformanceCase } from '../suite/case.ts'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { FOREIGN_DOMAIN, FOREIGN_ID, PEER_ID } from './peer-case.ts'
import { serving } from './workload-api.ts'

/** The grace of the library is ten seconds; its timer rings at most once a second. */
const CUT_MS = 15_000

const hold = (
  stage: Stage,
  harness: Harness,
  ...peers: readonly MintedCertificate[]
): Promise<readonly HeldConnection[]> =>
  Promise.all(peers.map((peer) => stage.use(HeldConnection.open(harness.x509Port, peer))))

/** The first connection is to be cut; the others are the control. */
async function expectCut([first, ...others]: readonly HeldConnection[]): Promise<void> {
  const outcome = await within(
    first!.cut.then(() => 'cut'),
    CUT_MS,
    'alive',
  )
  expectThat(outcome === 'cut', `the connection lives, ${CUT_MS} ms later`)
  expectThat(!others.some(({ isCut }) => isCut), 'a connection was cut whose peer is trusted still')
}

export const liveConnections: readonly ConformanceCase[] = [
  {
    name: 'LIVE-1',
    level: 'optional',
    title: 'a connection does not outlive the authority of its peer, but for a grace',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const successor = await mintRootCa(TRUST_DOMAIN)
      const peer = await successor.mint(PEER_ID)
      const [both, after] = [await successor.mint(HARNESS_ID), await successor.mint(HARNESS_ID)]
      agent.publish({ svids: [entry(HARNESS_ID, both, home, successor)] })
      await untilPresented(harness, client, both, svid)
      const connections = await hold(stage, harness, client, peer)
      agent.publish({ svids: [entry(HARNESS_ID, after, successor)] })
      await expectCut(connections)
    },
  },
  {
    name: 'LIVE-2',
    level: 'optional',
    title: "a connection does not outlive its peer's SVID, but for a grace",
    rule: 'X509-SVID §5.1 (31)',
    run: async (stage) => {
      const { home, harness, client } = await serving(stage)
      const brief = await home.mint(PEER_ID, { notAfter: Date.now() + 4000 })
      await expectCut(await hold(stage, harness, brief, client))
    },
  },
  {
    name: 'LIVE-3',
    level: 'optional',
    title: 'a connection does not outlive the federation with the trust domain of its peer',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const foreign = await mintRootCa(FOREIGN_DOMAIN)
      const [withIt, without] = [await home.mint(HARNESS_ID), await home.mint(HARNESS_ID)]
      agent.publish({
        svids: [entry(HARNESS_ID, withIt, home)],
        federated_bundles: federated(foreign),
      })
      await untilPresented(harness, client, withIt, svid)
      const connections = await hold(stage, harness, await foreign.mint(FOREIGN_ID), client)
      agent.publish({ svids: [entry(HARNESS_ID, without, home)] })
      await expectCut(connections)
    },
  },
  {
    name: 'LIVE-4',
    level: 'optional',
    title: 'a connection does not outlive the revocation of its peer, but for a grace',
    rule: 'Workload API §5.1 (78)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const revoked = await home.mint(PEER_ID)
      const connections = await hold(stage, harness, revoked, client)
      const next = await home.mint(HARNESS_ID)
      const list = await home.mintRevocationList({ revoked: [serialNumberOf(revoked)] })
      agent.publish({ svids: [entry(HARNESS_ID, next, home)], crl: [list] })
      await untilPresented(harness, client, next, svid)
      await expectCut(connections)
    },
  },
]
