import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { entry } from '../driver/scripted-agent.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { PEER_ID } from './peer-case.ts'
import { serving } from './workload-api.ts'

export const presentedSvid: readonly ConformanceCase[] = [
  {
    name: 'XS-1',
    level: 'core',
    title: 'the default SVID is presented',
    rule: 'Workload API §5.3',
    run: async (stage) => {
      const { harness, client, svid } = await serving(stage)
      const { server, line } = await harness.present({ material: client })
      expectEqual(server?.spiffeId, HARNESS_ID, 'the harness presents')
      expectThat(svid.chain[0]?.equals(server?.chain[0] ?? Buffer.of()) === true, 'another leaf')
      expectEqual(line, PEER_ID, 'the peer is')
    },
  },
  {
    name: 'XS-2',
    level: 'core',
    title: 'the intermediates of the SVID are presented with it, in their order',
    rule: 'Workload API §5.1; X509-SVID §5.1',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const intermediate = await (await home.mintCa()).mintCa()
      const behind = await intermediate.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, behind, home)] })
      await untilPresented(harness, client, behind, svid)
      const { server } = await harness.present({ material: client })
      expectEqual(server?.chain.length, 3, 'certificates presented')
      expectThat(
        Buffer.concat([...(server?.chain ?? [])]).equals(behind.certificates),
        'another chain is presented than the Workload API has sent',
      )
    },
  },
  {
    name: 'XS-3',
    level: 'core',
    title: 'a rotated SVID is presented on new connections, without a restart',
    rule: 'Workload API §4.3',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      let before = svid
      for (let rotation = 0; rotation < 3; rotation++) {
        const next = await home.mint(HARNESS_ID)
        agent.publish({ svids: [entry(HARNESS_ID, next, home)] })
        await untilPresented(harness, client, next, before)
        before = next
      }
      expectEqual((await harness.present({ material: client })).line, PEER_ID, 'the peer is')
    },
  },
  {
    name: 'XS-4',
    level: 'core',
    title: 'peers of each authority in the bundle are accepted',
    rule: 'Trust Domain and Bundle §4; Workload API §5.1',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const added = await mintRootCa(TRUST_DOMAIN)
      const peer = await added.mint(PEER_ID)
      expectEqual((await harness.present({ material: peer })).line, null, 'before, the peer is')
      const next = await home.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, next, home, added)] })
      await untilPresented(harness, client, next, svid)
      for (const material of [client, peer]) {
        expectEqual((await harness.present({ material })).line, PEER_ID, 'the peer is')
      }
    },
  },
  {
    name: 'XS-5',
    level: 'core',
    title: 'peers of an authority that has left the bundle are refused',
    rule: 'Workload API §4.4',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const successor = await mintRootCa(TRUST_DOMAIN)
      const peer = await successor.mint(PEER_ID)
      const both = await successor.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, both, home, successor)] })
      await untilPresented(harness, client, both, svid)
      expectEqual((await harness.present({ material: client })).line, PEER_ID, 'the peer is')
      const after = await successor.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, after, successor)] })
      await untilPresented(harness, peer, after, both)
      expectEqual((await harness.present({ material: client })).line, null, 'the old peer is')
      expectEqual((await harness.present({ material: peer })).line, PEER_ID, 'the new peer is')
    },
  },
]
