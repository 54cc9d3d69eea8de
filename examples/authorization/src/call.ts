import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { SvidAgent, type X509MaterialSource } from 'fastify-spiffe'

interface Call {
  readonly source: X509MaterialSource
  readonly server: string
  readonly url: string
  readonly method?: string
  readonly token: string
}

/** Calls as the workload of `source`, on behalf of whom the token names, and only if `server` answers. */
export async function call({ source, server, url, method, token }: Call): Promise<string> {
  const agent = new SvidAgent({ source, server })
  const headers = { authorization: `Bearer ${token}` }
  const request = https.request(url, { agent, headers, ...(method !== undefined && { method }) })
  const [response] = await once(request.end(), 'response')
  return `${response.statusCode} ${await text(response)}`
}
