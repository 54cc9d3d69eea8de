import { X509Source, type X509SourceOptions } from '@fastify-spiffe/workload-api'
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

/** Sends a message that changes something, and waits for the change. */
export async function sendUpdate({ source, call }: AgentSource, message: Reply): Promise<void> {
  const updated = source.nextUpdate()
  call.send(message)
  await updated
}
