import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { SvidAgent, type X509MaterialSource } from 'fastify-spiffe'

/** Calls as the workload of `source`, and only if `server` answers. */
export async function call(
  source: X509MaterialSource,
  server: string,
  url: string,
): Promise<string> {
  const agent = new SvidAgent({ source, server })
  const [response] = await once(https.get(url, { agent }), 'response')
  return `${response.statusCode} ${await text(response)}`
}
