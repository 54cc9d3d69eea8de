import { once } from 'node:events'
import https, { type Agent } from 'node:https'
import { text } from 'node:stream/consumers'

/** Calls a service, and returns the status and the body of its answer. */
export async function call(agent: Agent, url: string): Promise<string> {
  const [response] = await once(https.get(url, { agent }), 'response')
  return `${response.statusCode} ${await text(response)}`
}
