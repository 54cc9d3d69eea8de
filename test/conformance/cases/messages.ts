import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { HARNESS_ID } from '../driver/agent.ts'
import { bundleBytes, entry, federated } from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_DOMAIN, FOREIGN_ID, PEER_ID } from './peer-case.ts'
import { expectDiscarded, serving } from './workload-api.ts'

const OTHER_ID = `${HARNESS_ID}/other`
const MAX_HINT_BYTES = 1024

/** Of two SVIDs, with these hints, the first is presented. */
async function expectFirst(stage: Stage, [hint, otherHint]: [string, string]): Promise<void> {
  const { home, agent, harness, client, svid } = await serving(stage)
  const [first, second] = [await home.mint(OTHER_ID), await home.mint(HARNESS_ID)]
  agent.publish({
    svids: [
      { ...entry(OTHER_ID, first, home), hint },
      { ...entry(HARNESS_ID, second, home), hint: otherHint },
    ],
  })
  await untilPresented(harness, client, first, svid)
}

/** Serves the next SVID with federated bundles, and tells whom the harness takes a client for. */
async function servingWith(
  stage: Stage,
  federatedBundles: Readonly<Record<string, Uint8Array>>,
): Promise<{
  readonly client: MintedCertificate
  readonly callerOf: (material: MintedCertificate) => Promise<string | null>
}> {
  const { home, agent, harness, client, svid } = await serving(stage)
  const next = await home.mint(HARNESS_ID)
  agent.publish({
    svids: [entry(HARNESS_ID, next, home)],
    federated_bundles: federatedBundles,
  })
  await untilPresented(harness, client, next, svid)
  return { client, callerOf: async (material) => (await harness.present({ material })).line }
}

export const hints: readonly ConformanceCase[] = [
  {
    name: 'HINT-1',
    level: 'recommended',
    title: 'of two SVIDs with the same hint the first is used',
    rule: 'Workload API §5.2.1 (73)',
    run: (stage) => expectFirst(stage, ['internal', 'internal']),
  },
  {
    name: 'HINT-2',
    level: 'core',
    title: 'hints do not change that the first SVID is the default',
    rule: 'Workload API §5.3 (74)',
    run: (stage) => expectFirst(stage, ['z', 'a']),
  },
  {
    name: 'HINT-3',
    level: 'core',
    title: 'a hint of 1024 bytes is taken',
    rule: 'Workload API §5.2.1 (73)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const next = await home.mint(HARNESS_ID)
      const hint = 'x'.repeat(MAX_HINT_BYTES)
      agent.publish({ svids: [{ ...entry(HARNESS_ID, next, home), hint }] })
      await untilPresented(harness, client, next, svid)
    },
  },
  {
    name: 'HINT-4',
    level: 'optional',
    title: 'a message whose default SVID has a hint of more than 1024 bytes is discarded',
    rule: 'Workload API §5.2.1 (73)',
    run: async (stage) => {
      const scene = await serving(stage)
      const bad = entry(HARNESS_ID, await scene.home.mint(HARNESS_ID), scene.home)
      await expectDiscarded(scene, { svids: [{ ...bad, hint: 'x'.repeat(MAX_HINT_BYTES + 1) }] })
    },
  },
  {
    name: 'HINT-5',
    level: 'optional',
    title: 'a second SVID that is bad does not take the first one down',
    rule: 'Workload API §4.5 (68)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const [first, bad] = [
        await home.mint(HARNESS_ID),
        await home.mint(OTHER_ID, { corruptSignature: true }),
      ]
      agent.publish({ svids: [entry(HARNESS_ID, first, home), entry(OTHER_ID, bad, home)] })
      await untilPresented(harness, client, first, svid)
    },
  },
]

export const bundles: readonly ConformanceCase[] = [
  {
    name: 'BUNDLES-1',
    level: 'core',
    title: 'an own SVID brings its own bundle: FetchX509Bundles is not needed for it',
    rule: 'Workload API §5.1 (72)',
    run: async (stage) => {
      const agent = await stage.agent()
      agent.endpoint.fail('PERMISSION_DENIED', { method: 'FetchX509Bundles' })
      const harness = await stage.start(agent)
      const { line } = await harness.present({ material: await agent.authority.mint(PEER_ID) })
      expectEqual(line, PEER_ID, 'the peer is')
    },
  },
  {
    name: 'BUNDLES-2',
    level: 'core',
    title: 'a federated bundle that is empty disturbs no SVID, and trusts nobody',
    rule: 'Workload API §4.6 (35)',
    run: async (stage) => {
      const foreign = await mintRootCa(FOREIGN_DOMAIN)
      const empty = { [`spiffe://${FOREIGN_DOMAIN}`]: bundleBytes() }
      const { client, callerOf } = await servingWith(stage, empty)
      expectEqual(await callerOf(client), PEER_ID, 'the peer is')
      expectEqual(await callerOf(await foreign.mint(FOREIGN_ID)), null, 'the foreign peer is')
    },
  },
  {
    name: 'BUNDLES-3',
    level: 'optional',
    title: 'a federated bundle that is garbage does not spoil the rest of the message',
    rule: 'Workload API §4.6',
    run: async (stage) => {
      const foreign = await mintRootCa(FOREIGN_DOMAIN)
      const garbage = { 'spiffe://garbage.test': Buffer.from('no') }
      const { callerOf } = await servingWith(stage, { ...garbage, ...federated(foreign) })
      expectEqual(await callerOf(await foreign.mint(FOREIGN_ID)), FOREIGN_ID, 'the peer is')
    },
  },
  {
    name: 'BUNDLES-4',
    level: 'optional',
    title: 'a federated bundle under the name of the own trust domain does not replace the own one',
    rule: 'Workload API §5.1 (72)',
    run: async (stage) => {
      const impostor = await mintRootCa('example.org')
      const { client, callerOf } = await servingWith(stage, federated(impostor))
      expectEqual(await callerOf(client), PEER_ID, 'the peer is')
      expectEqual(await callerOf(await impostor.mint(PEER_ID)), null, 'the impostor is')
    },
  },
]
