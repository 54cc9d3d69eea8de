import { mintRootCa } from '@fastify-spiffe/authority'
import { X509Source } from '@fastify-spiffe/workload-api'
import { expect, test } from '@jest/globals'
import { openSource } from '@fastify-spiffe-test/kit/agent-source'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import { svidMessage } from '@fastify-spiffe-test/kit/workload-messages'

const WEB = 'spiffe://example.org/web'

async function until(source: X509Source, state: X509Source['state']): Promise<void> {
  while (source.state !== state) await source.nextUpdate()
}

test('rule 61: an agent that is killed is missed, and found again within two seconds', async () => {
  const authority = await mintRootCa('example.org')
  await using agent = await ScriptedAgent.listen()
  const { source } = await openSource(agent, await svidMessage(authority, WEB), { backoff: {} })
  const before = source.svid
  await agent.kill()
  await until(source, 'stale')
  expect(source.svid).toBe(before)

  // Long enough for the backoffs of the source and of the channel to be at their longest.
  const meanwhile = X509Source.open({ address: agent.address, timeoutMs: 3_000 })
  await expect(meanwhile).rejects.toMatchObject({ code: 'unreachable' })
  expect(source.state).toBe('stale')

  const next = await svidMessage(authority, WEB)
  const back = performance.now()
  await agent.start()
  ;(await agent.nextCall()).send(next)
  await until(source, 'ready')
  expect(performance.now() - back).toBeLessThan(2_000)
  expect(source.svid?.leaf.serialNumber).not.toBe(before?.leaf.serialNumber)
  await source.close()
})
