import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID } from '../driver/agent.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import {
  FOREIGN_DOMAIN,
  FOREIGN_ID,
  inBothRoles,
  meetAsClient,
  meetAsServer,
  PEER_ID,
  type PeerCase,
  type Role,
} from './peer-case.ts'
import { serving } from './workload-api.ts'

const peers: readonly PeerCase[] = [
  {
    name: 'XF-1',
    level: 'core',
    title: 'a peer of a federated trust domain is accepted as who it is',
    rule: 'Workload API §4.6; SPIFFE Federation §7',
    verdict: 'accepted',
    isFederated: true,
    spiffeId: FOREIGN_ID,
    peer: ({ foreign }) => foreign.mint(FOREIGN_ID),
  },
  {
    name: 'XF-2',
    level: 'core',
    title: 'the authorities of two trust domains do not vouch for names of each other',
    rule: 'Workload API §4.6; SPIFFE Federation §7',
    verdict: 'refused',
    isFederated: true,
    peer: async ({ home, foreign }) => [await foreign.mint(PEER_ID), await home.mint(FOREIGN_ID)],
  },
]

const omitted = (role: Role): ConformanceCase => ({
  name: `XF-3/${role}`,
  level: 'core',
  title: 'a federated bundle that is left out of a message is trusted no more',
  rule: 'Workload API §4.4',
  run: async (stage) => {
    const meet = role === 'server' ? meetAsClient : meetAsServer
    const { home, agent, harness, client, svid } = await serving(stage)
    const foreign = await mintRootCa(FOREIGN_DOMAIN)
    const peer = await foreign.mint(FOREIGN_ID)
    const [withIt, without] = [await home.mint(HARNESS_ID), await home.mint(HARNESS_ID)]
    agent.publish({
      svids: [entry(HARNESS_ID, withIt, home)],
      federated_bundles: federated(foreign),
    })
    await untilPresented(harness, client, withIt, svid)
    expectEqual(await meet(stage, harness, peer), FOREIGN_ID, 'the federated peer is')
    agent.publish({ svids: [entry(HARNESS_ID, without, home)] })
    await untilPresented(harness, client, without, withIt)
    const outcome = await meet(stage, harness, peer)
    expectThat(outcome === null, `accepted, as ${outcome}`)
    expectEqual(await meet(stage, harness, client), PEER_ID, 'a peer of the own trust domain is')
  },
})

export const federation: readonly ConformanceCase[] = [
  ...peers.flatMap(inBothRoles),
  omitted('server'),
  omitted('client'),
]
