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

/** Calls with the SVID of `source` and the token of a user, and only a server that proves to be `server`. */
export async function call({ source, server, url, method, token }: Call): Promise<string> {
  const agent = new SvidAgent({ source, server })
  const headers = { authorization: `Bearer ${token}` }
  const request = https.request(url, { agent, headers, ...(method !== undefined && { method }) })
  const [response] = await once(request.end(), 'response')
  return `${response.statusCode} ${await text(response)}`
}
