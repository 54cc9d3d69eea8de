import { tmpdir } from 'node:os'
import { relative } from 'node:path'
import { expectThat, type ConformanceCase } from '../suite/case.ts'
import { expectNoUse } from './endpoint.ts'

type Malformed = readonly [title: string, address: (good: URL) => string]

const onUnix: readonly Malformed[] = [
  ['is a path without a scheme', ({ pathname }) => pathname],
  ['is relative', ({ pathname }) => `unix:${relative(tmpdir(), pathname)}`],
  ['has a query', ({ href }) => `${href}?x=1`],
  ['has a fragment', ({ href }) => `${href}#x`],
  ['has userinfo', ({ pathname }) => `unix://user@${pathname}`],
  ['is empty', () => ''],
]

const onTcp: readonly Malformed[] = [
  ['names a host', ({ port }) => `tcp://localhost:${port}`],
  ['has no port', () => 'tcp://127.0.0.1'],
  ['has a query', ({ href }) => `${href}?x=1`],
  ['has a fragment', ({ href }) => `${href}#x`],
  ['has userinfo', ({ port }) => `tcp://user@127.0.0.1:${port}`],
  ['has another scheme', ({ port }) => `http://127.0.0.1:${port}`],
]

const refused = (
  transport: 'unix' | 'tcp',
  [title, malform]: Malformed,
  index: number,
): ConformanceCase => ({
  name: `ADDR-${index + 2}`,
  level: 'optional',
  title: `an address that ${title} is refused (${transport}): no READY, no call`,
  rule: 'Workload Endpoint §4 (57, 58, 59)',
  run: async (stage) => {
    const agent = await stage.agent(transport === 'tcp' ? { endpoint: { tcpPort: 0 } } : {})
    await expectNoUse(stage, malform(new URL(agent.address)), agent)
  },
})

export const addresses: readonly ConformanceCase[] = [
  {
    name: 'ADDR-1',
    level: 'core',
    title: 'unix:/path is the same as unix:///path',
    rule: 'Workload Endpoint §4 (57)',
    run: async (stage) => {
      const agent = await stage.agent()
      const harness = stage.launch(agent.address.replace('unix:///', 'unix:/'))
      await harness.ready()
      expectThat(agent.svidCalls.length > 0, 'READY without a call')
    },
  },
  ...[
    ...onUnix.map((malformed) => ['unix', malformed] as const),
    ...onTcp.map((malformed) => ['tcp', malformed] as const),
  ].map(([transport, malformed], index) => refused(transport, malformed, index)),
]
