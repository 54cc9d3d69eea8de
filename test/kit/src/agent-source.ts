import { WorkloadApiError, X509Source, type X509SourceOptions } from '@fastify-spiffe/workload-api'
import type { AgentCall, Reply, ScriptedAgent } from './scripted-agent.ts'

/** Waits between attempts that are short enough for a test. */
export const BACKOFF = { initialMs: 50, maxMs: 100, deniedInitialMs: 50, deniedMaxMs: 100 }

/** A source, and the call by which a scripted agent feeds it. */
export interface AgentSource {
  readonly source: X509Source
  readonly call: AgentCall
}

/** Opens a source on a scripted agent, which answers with `message`. */
export async function openSource(
  agent: ScriptedAgent,
  message: Reply,
  options: X509SourceOptions = {},
): Promise<AgentSource> {
  const opening = X509Source.open({ address: agent.address, backoff: BACKOFF, ...options })
  const call = await agent.nextCall()
  call.send(message)
  return { source: await opening, call }
}

/** How long a source opens that is to fail: a busy machine needs longer to hear of the agent at all. */
const PATIENCE_MS = [200, 800, 3_200, 12_800]

/** Why a source does not open within its time. One that has heard nothing is given more of it. */
export async function openingError(options: X509SourceOptions): Promise<unknown> {
  let error: unknown
  for (const timeoutMs of PATIENCE_MS) {
    error = await errorOf({ ...options, timeoutMs })
    if (!(error instanceof WorkloadApiError) || error.code !== 'timeout') break
  }
  return error
}

async function errorOf(options: X509SourceOptions): Promise<unknown> {
  try {
    await (await X509Source.open(options)).close()
  } catch (error) {
    return error
  }
  throw new Error('the source opened')
}

/** Answers all calls that no test has taken, from now on. */
export async function answerAll(
  agent: ScriptedAgent,
  answer: (call: AgentCall) => void,
): Promise<never> {
  for (;;) answer(await agent.nextCall())
}

/** Sends a message that changes something, and waits for the change. */
export async function sendUpdate({ source, call }: AgentSource, message: Reply): Promise<void> {
  const updated = source.nextUpdate()
  call.send(message)
  await updated
}
