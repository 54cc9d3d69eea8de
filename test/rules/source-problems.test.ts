import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa } from '@fastify-spiffe/authority'
import { X509Source } from '@fastify-spiffe/workload-api'
import type { SourceProblemEvent } from '@fastify-spiffe/spiffe'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { BACKOFF } from '@fastify-spiffe-test/kit/agent-source'
import { Published } from '@fastify-spiffe-test/kit/published'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import { svidMessage } from '@fastify-spiffe-test/kit/workload-messages'

const WEB = 'spiffe://example.org/web'

let authority: MintedCa
let agent: ScriptedAgent
let published: Published<SourceProblemEvent>

beforeAll(async () => {
  authority = await mintRootCa('example.org')
})

beforeEach(async () => {
  agent = await ScriptedAgent.listen()
  published = new Published('spiffe:source:problem', agent.address)
})

afterEach(async () => {
  published[Symbol.dispose]()
  await agent[Symbol.asyncDispose]()
})

const codes = (): string[] => published.events.map(({ code }) => code)

/** What a process writes to its standard error that opens a source and closes it again. */
async function warningsOf(options: string): Promise<string> {
  const program = `
    import { X509Source } from '@fastify-spiffe/workload-api'
    const backoff = ${JSON.stringify(BACKOFF)}
    const source = await X509Source.open({ address: '${agent.address}', backoff, ${options} })
    await source.close()`
  const node = ['--input-type=module', '--eval', program]
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  return (await promisify(execFile)(process.execPath, node, { cwd })).stderr
}

describe('what stands in the way of open()', () => {
  test('is a warning of the process at once, with the code and the cure, and said once', async () => {
    const opening = warningsOf('')
    for (let times = 0; times < 3; times++) {
      ;(await agent.nextCall()).fail(status.PERMISSION_DENIED, 'no identity issued')
    }
    ;(await agent.nextCall()).send(await svidMessage(authority, WEB))
    const lines = (await opening).split('\n').filter((line) => line.includes('Warning'))
    expect(lines[0]).toMatch(/\[no-identity\] WorkloadApiWarning: .*no identity issued; create one/)
    expect(lines.filter((line) => line.includes('WorkloadApiWarning'))).toHaveLength(1)
  })

  test('goes to onProblem instead, each code once', async () => {
    const opening = warningsOf('onProblem: ({ code }) => console.error("told", code)')
    ;(await agent.nextCall()).fail(status.PERMISSION_DENIED)
    ;(await agent.nextCall()).fail(status.UNAVAILABLE)
    ;(await agent.nextCall()).fail(status.PERMISSION_DENIED)
    ;(await agent.nextCall()).send(await svidMessage(authority, WEB))
    expect(await opening).toBe('told no-identity\ntold unavailable\n')
  })

  test('is said by a source that is open, also where its state does not change by it', async () => {
    const problems: string[] = []
    const opening = X509Source.open({
      address: agent.address,
      backoff: BACKOFF,
      onProblem: ({ code, message }) => problems.push(`${code} ${message}`),
    })
    const call = await agent.nextCall()
    call.send(await svidMessage(authority, WEB))
    await using source = await opening
    // The stream ends cleanly first: only the next attempt finds out that nobody is there.
    call.end()
    await source.nextUpdate()
    expect([source.state, source.error]).toEqual(['stale', null])
    await agent.kill()
    while (problems.every((problem) => !problem.startsWith('unreachable'))) {
      await new Promise(setImmediate)
    }
    expect(problems.at(-1)).toMatch(/^unreachable .*see that the agent runs/)
    expect(codes()).toContain('unreachable')
    // After a recovery it is told again.
    await agent.start()
    ;(await agent.nextCall()).send(await svidMessage(authority, WEB))
    while (source.state !== 'ready') await source.nextUpdate()
    const before = problems.length
    await agent.kill()
    while (problems.length === before) await new Promise(setImmediate)
    expect(problems.filter((problem) => problem.startsWith('unreachable'))).not.toHaveLength(0)
  })

  test('must have a function to go to', async () => {
    const opening = X509Source.open({ address: agent.address, onProblem: 'log' as never })
    await expect(opening).rejects.toMatchObject({ code: 'invalid-option' })
  })
})
