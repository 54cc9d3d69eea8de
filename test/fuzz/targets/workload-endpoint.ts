import { WorkloadApiClient, WorkloadApiError } from '@fastify-spiffe/workload-api'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import { NOW } from '../../support/verdict.ts'
import { codeOf } from '../support/own-error.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { checkBundles, checkContext, messages, type MessageInput } from './workload-message.ts'

/** The same messages as {@link messages}, from an agent on a Unix socket to the client. */
export async function openEndpoint(): Promise<Target<MessageInput>> {
  const agent = await ScriptedAgent.listen()
  const client = new WorkloadApiClient({ address: agent.address, clock: () => NOW })
  return {
    inputs: messages(),
    async read({ method, bytes }) {
      const answer =
        method === 'FetchX509SVID'
          ? client.fetchX509Context().then(checkContext)
          : client.fetchX509Bundles().then(checkBundles)
      const call = await agent.nextCall()
      check(call.method === method, `the client called ${call.method}`)
      call.send(Buffer.from(bytes))
      call.end()
      try {
        await answer
        return ACCEPTED
      } catch (error) {
        return codeOf(error, WorkloadApiError)
      }
    },
    bytesOf: ({ bytes }) => bytes,
    async [Symbol.asyncDispose]() {
      await client.close()
      await agent[Symbol.asyncDispose]()
    },
  }
}
