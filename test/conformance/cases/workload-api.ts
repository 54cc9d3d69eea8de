import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { Harness } from '../driver/harness.ts'
import {
  entry,
  type AgentState,
  type ScriptedAgent,
  type SvidEntry,
} from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import { until, within } from '../driver/timing.ts'
import { FOLLOW_MS, keepsPresenting, presentedSerial, untilPresented } from '../driver/watch.ts'
import { expectThat, Failure, type ConformanceCase } from '../suite/case.ts'
import { PEER_ID } from './peer-case.ts'

/** A harness that serves an SVID, and all that it takes to update it. */
export interface UpdateScene {
  readonly home: MintedCa
  readonly agent: ScriptedAgent
  readonly harness: Harness
  /** A good client. */
  readonly client: MintedCertificate
  /** The SVID that the harness presents. */
  readonly svid: MintedCertificate
}

export async function serving(stage: Stage, harnessId: string = HARNESS_ID): Promise<UpdateScene> {
  const home = await mintRootCa(TRUST_DOMAIN)
  const [svid, client] = [await home.mint(harnessId), await home.mint(PEER_ID)]
  const agent = await stage.scriptedAgent()
  agent.publish({ svids: [entry(harnessId, svid, home)] })
  const harness = await stage.start(agent)
  await untilPresented(harness, client, svid)
  return { home, agent, harness, client, svid }
}

/** A bad update, and then a good one: the bad one must not have been seen in between. */
export async function expectDiscarded(
  { home, agent, harness, client, svid }: UpdateScene,
  bad: AgentState,
): Promise<void> {
  agent.publish(bad)
  await keepsPresenting(harness, client, svid)
  const barrier = await home.mint(HARNESS_ID)
  agent.publish({ svids: [entry(HARNESS_ID, barrier, home)] })
  await untilPresented(harness, client, barrier, svid)
}

const mandatory = ['spiffe_id', 'x509_svid', 'x509_svid_key', 'bundle'] as const

const discarded: readonly ConformanceCase[] = [
  {
    name: 'WA-2/svids',
    level: 'recommended',
    title: 'a message without SVIDs is discarded',
    rule: 'Workload API §4.5, §5.2.1',
    run: async (stage) => expectDiscarded(await serving(stage), { svids: [] }),
  },
  ...mandatory.map((field): ConformanceCase => ({
    name: `WA-2/${field}`,
    level: 'recommended',
    title: `a message with an empty ${field} is discarded`,
    rule: 'Workload API §4.5, §5.2.1',
    run: async (stage) => {
      const scene = await serving(stage)
      const next = entry(HARNESS_ID, await scene.home.mint(HARNESS_ID), scene.home)
      await expectDiscarded(scene, { svids: [withEmpty(next, field)] })
    },
  })),
]

const withEmpty = (svid: SvidEntry, field: (typeof mandatory)[number]): SvidEntry => ({
  ...svid,
  [field]: field === 'spiffe_id' ? '' : new Uint8Array(),
})

export const workloadApi: readonly ConformanceCase[] = [
  {
    name: 'WA-1',
    level: 'recommended',
    title: 'a stream that ends is opened again, and brings updates',
    rule: 'Workload API §4.2, §4.3',
    run: async (stage) => {
      const agent = await stage.agent()
      const harness = await stage.start(agent)
      const next = agent.endpoint.nextCall({ method: 'FetchX509SVID' })
      agent.endpoint.drop({ method: 'FetchX509SVID' })
      const call = await within(next, FOLLOW_MS, undefined)
      expectThat(call !== undefined, `no new stream within ${FOLLOW_MS} ms`)
      const client = await agent.authority.mint(PEER_ID)
      const before = await presentedSerial(harness, client)
      await agent.authority.rotateSvids()
      await until(
        () => presentedSerial(harness, client),
        (serial) => serial !== null && serial !== before,
        FOLLOW_MS,
        () => new Failure('an update on the new stream is not presented'),
      )
    },
  },
  ...discarded,
  {
    name: 'WA-3',
    level: 'core',
    title: 'the first SVID of a message is the default identity, also after a change of order',
    rule: 'Workload API §5.3',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const otherId = `${HARNESS_ID}/other`
      const [first, other] = [svid, await home.mint(otherId)]
      const entries = [entry(HARNESS_ID, first, home), entry(otherId, other, home)]
      agent.publish({ svids: entries.toReversed() })
      await untilPresented(harness, client, other, first)
      agent.publish({ svids: entries })
      await untilPresented(harness, client, first, other)
    },
  },
  {
    name: 'WA-4',
    level: 'recommended',
    title: 'after PermissionDenied the SVID is presented no more, within five seconds',
    rule: 'Workload API §5.2.1',
    run: async (stage) => {
      const agent = await stage.agent()
      const harness = await stage.start(agent)
      const client = await agent.authority.mint(PEER_ID)
      expectThat((await presentedSerial(harness, client)) !== null, 'nothing is presented')
      // Bundles go on: what is taken away is the identity.
      agent.endpoint.deny({ method: 'FetchX509SVID' })
      await until(
        () => presentedSerial(harness, client),
        (serial) => serial === null,
        5000,
        () => new Failure('the SVID is presented still, after 5 s'),
      )
    },
  },
]
