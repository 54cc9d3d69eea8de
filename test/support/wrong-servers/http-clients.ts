import { once } from 'node:events'
import http2, { type ClientHttp2Session } from 'node:http2'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { SvidAgent, tlsOptions } from '@fastify-spiffe/tls'
import { Agent, request, type Dispatcher } from 'undici'
import { SECRET, type ClientKind, type OpenClient, type Target } from './clients.ts'

const urlOf = ({ port }: Target): string => `https://127.0.0.1:${port}/`

/** Makes an error of a response that does not come from the right server. */
export function assertRight(body: string): void {
  if (body !== 'right') throw new Error('the answer is not of the right server')
}

function byDispatcher(
  name: string,
  isHttp2: boolean,
  send: (dispatcher: SvidDispatcher, url: string) => Promise<string>,
): ClientKind {
  return {
    name: `${name} over ${isHttp2 ? 'HTTP/2' : 'HTTP/1.1'}`,
    connections: 'checked',
    isAnswered: true,
    open: (target) => {
      const dispatcher = createDispatcher({ ...target.options, http2: isHttp2 })
      return {
        send: async () => assertRight(await send(dispatcher, urlOf(target))),
        close: () => dispatcher.destroy(),
      }
    },
  }
}

async function byRequest(dispatcher: Dispatcher, url: string): Promise<string> {
  const { body } = await request(url, { dispatcher, method: 'POST', body: SECRET })
  return body.text()
}

async function byBuiltInFetch(dispatcher: Dispatcher, url: string): Promise<string> {
  // The types of the built-in fetch are of another version of undici.
  const untyped: object = { dispatcher }
  const response = await fetch(url, { method: 'POST', body: SECRET, ...untyped })
  return response.text()
}

async function byOwnFetch(dispatcher: SvidDispatcher, url: string): Promise<string> {
  return (await dispatcher.fetch(url, { method: 'POST', body: SECRET })).text()
}

/** A client of `https.request`. */
export function byAgent(agent: https.Agent, target: Target): OpenClient {
  return {
    send: async () => {
      const outgoing = https.request(urlOf(target), { agent, method: 'POST' })
      outgoing.end(SECRET)
      const [response] = await once(outgoing, 'response')
      assertRight(await text(response))
    },
    close: () => agent.destroy(),
  }
}

export const agentOf = ({ options }: Target): SvidAgent =>
  new SvidAgent({ ...options, keepAlive: true })

export const tlsOptionsOf = ({ options }: Target): ReturnType<typeof tlsOptions> =>
  tlsOptions(options)

function openHttp2(target: Target): OpenClient {
  const options = tlsOptionsOf(target)
  let session: ClientHttp2Session | undefined
  return {
    send: async () => {
      if (session === undefined || session.destroyed || session.closed) {
        session = http2.connect(urlOf(target), options).on('error', () => undefined)
      }
      const stream = session.request({ ':method': 'POST' }).end(SECRET)
      assertRight(await text(stream))
    },
    close: () => session?.destroy(),
  }
}

/** The clients of HTTP, each in the ways that the documentation names. */
export const httpClients: readonly ClientKind[] = [
  ...[false, true].flatMap((isHttp2) => [
    byDispatcher('fetch of the dispatcher', isHttp2, byOwnFetch),
    byDispatcher('the built-in fetch', isHttp2, byBuiltInFetch),
    byDispatcher('request of undici', isHttp2, byRequest),
  ]),
  {
    name: 'an Agent of undici with tlsOptions',
    connections: 'kept',
    isAnswered: true,
    open: (target) => {
      const agent = new Agent({ connect: { ...tlsOptionsOf(target), maxCachedSessions: 0 } })
      return {
        send: async () => assertRight(await byRequest(agent, urlOf(target))),
        close: () => agent.destroy(),
      }
    },
  },
  {
    name: 'https.request with SvidAgent',
    connections: 'checked',
    isAnswered: true,
    open: (target) => byAgent(agentOf(target), target),
  },
  {
    name: 'https.request with tlsOptions',
    connections: 'kept',
    isAnswered: true,
    open: (target) => {
      const options = { ...tlsOptionsOf(target), maxCachedSessions: 0, keepAlive: true }
      return byAgent(new https.Agent(options), target)
    },
  },
  {
    name: 'an https.Agent with tlsOptions that keeps sessions',
    connections: 'kept',
    isAnswered: true,
    open: (target) =>
      byAgent(new https.Agent({ ...tlsOptionsOf(target), keepAlive: true }), target),
  },
  { name: 'http2.connect', connections: 'kept', isAnswered: true, open: openHttp2 },
]
