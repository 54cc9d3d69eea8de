import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusName, WorkloadApiCall } from '@fastify-spiffe/authority'
import type { Agent } from '../driver/agent.ts'
import type { Stage } from '../driver/stage.ts'
import { within } from '../driver/timing.ts'
import { FOLLOW_MS } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'

const READY_MS = 30_000
const MIN_MEAN_INTERVAL_MS = 50
const MAX_CALLS_PER_SECOND = 20

/** How long a harness that must not become ready is looked at. */
const UNREADY_MS = 3000

/** The address must be refused: no READY, and no call at the place that it may be mistaken for. */
export async function expectNoUse(stage: Stage, address: string, agent: Agent): Promise<void> {
  await stage.launch(address).staysUnready(UNREADY_MS)
  expectEqual(agent.endpoint.calls.length, 0, 'calls')
  // The control: the agent is there, and is found under its true address.
  await stage.start(agent)
  expectThat(agent.svidCalls.length > 0, 'READY without a call')
}

/** Three calls fail, and then the harness must have become ready, without haste. */
async function retriesAfter(stage: Stage, status: StatusName): Promise<void> {
  const agent = await stage.agent()
  agent.endpoint.fail(status, { times: 3, method: 'FetchX509SVID' })
  await stage.start(agent, READY_MS)
  const calls = agent.svidCalls
  expectThat(calls.length >= 4, `READY after ${calls.length} calls, of which three failed`)
  expectPatience(calls)
}

export function expectPatience(calls: readonly WorkloadApiCall[]): void {
  const times = calls.map(({ time }) => time)
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  const interval = (last - first) / (times.length - 1)
  expectThat(interval >= MIN_MEAN_INTERVAL_MS, `the mean interval is ${interval} ms`)
  const inOneSecond = Math.max(
    ...times.map((start) => times.filter((time) => time >= start && time < start + 1000).length),
  )
  expectThat(inOneSecond < MAX_CALLS_PER_SECOND, `${inOneSecond} calls within a second`)
}

export const endpoint: readonly ConformanceCase[] = [
  {
    name: 'EP-1',
    level: 'core',
    title: 'the address comes from SPIFFE_ENDPOINT_SOCKET',
    rule: 'Workload Endpoint §4',
    run: async (stage) => {
      const [agent, other] = [await stage.agent(), await stage.agent()]
      await stage.start(agent)
      expectThat(agent.svidCalls.length > 0, 'READY without a call')
      expectEqual(other.endpoint.calls.length, 0, 'calls at another endpoint')
    },
  },
  {
    name: 'EP-2',
    level: 'core',
    title: 'every call carries the security header, once',
    rule: 'Workload Endpoint §3',
    run: async (stage) => {
      const agent = await stage.agent()
      await stage.start(agent)
      const next = agent.endpoint.nextCall({ method: 'FetchX509SVID' })
      agent.endpoint.drop()
      // Whether there is another call is the matter of WA-1.
      await within(next, FOLLOW_MS, undefined)
      for (const { method, metadata } of agent.endpoint.calls) {
        const header = JSON.stringify(metadata.get('workload.spiffe.io'))
        expectEqual(header, '["true"]', `workload.spiffe.io of ${method}`)
      }
    },
  },
  {
    name: 'EP-3',
    level: 'recommended',
    title: 'a Workload API on TCP is used',
    rule: 'Workload Endpoint §3, §4',
    run: async (stage) => {
      const agent = await stage.agent({ endpoint: { tcpPort: 0 } })
      expectThat(agent.address.startsWith('tcp://127.0.0.1:'), `${agent.address} is not TCP`)
      await stage.start(agent)
    },
  },
  {
    name: 'EP-4/unix-authority',
    level: 'optional',
    title: 'a unix address with an authority is refused: no READY, no call',
    rule: 'Workload Endpoint §4',
    run: async (stage) => {
      const agent = await stage.agent()
      await expectNoUse(stage, agent.address.replace('unix:///', 'unix://host/'), agent)
    },
  },
  {
    name: 'EP-4/tcp-path',
    level: 'optional',
    title: 'a tcp address with a path is refused: no READY, no call',
    rule: 'Workload Endpoint §4',
    run: async (stage) => {
      const agent = await stage.agent({ endpoint: { tcpPort: 0 } })
      await expectNoUse(stage, `${agent.address}/path`, agent)
    },
  },
  {
    name: 'EP-5',
    level: 'recommended',
    title: 'Unavailable is tried again, with a backoff',
    rule: 'Workload Endpoint §6',
    run: (stage) => retriesAfter(stage, 'UNAVAILABLE'),
  },
  {
    name: 'EP-6',
    level: 'recommended',
    title: 'PermissionDenied is tried again, with a backoff',
    rule: 'Workload Endpoint §6',
    run: (stage) => retriesAfter(stage, 'PERMISSION_DENIED'),
  },
  {
    name: 'EP-7',
    level: 'recommended',
    title: 'InvalidArgument is not tried again: at most two calls of a method in five seconds',
    rule: 'Workload Endpoint §6',
    run: async (stage) => {
      const agent = await stage.agent()
      agent.endpoint.fail('INVALID_ARGUMENT')
      const called = agent.endpoint.nextCall()
      const harness = stage.launch(agent.address)
      await called
      await sleep(5000)
      expectThat(!harness.isReady, 'the harness is READY without an SVID')
      for (const method of ['FetchX509SVID', 'FetchX509Bundles']) {
        const { length } = agent.endpoint.calls.filter((call) => call.method === method)
        expectThat(length <= 2, `${length} calls of ${method}`)
      }
      agent.endpoint.resume()
      await stage.start(agent)
    },
  },
  {
    name: 'EP-8',
    level: 'optional',
    title: 'a socket that appears two seconds late is found',
    rule: 'Workload Endpoint §6',
    run: async (stage) => {
      const agent = await stage.agent()
      await agent.endpoint.stop()
      const harness = stage.launch(agent.address)
      await harness.staysUnready(2000)
      await agent.endpoint.start()
      await harness.ready(READY_MS)
    },
  },
]
