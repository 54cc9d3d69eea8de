import { once } from 'node:events'
import tls, { type TLSSocket } from 'node:tls'
import { createDispatcher } from '@fastify-spiffe/fetch'
import { connect } from '@fastify-spiffe/tls'
import { Redis as Ioredis } from 'ioredis'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { WebSocket as UndiciWebSocket } from 'undici'
import { WebSocket, type ClientOptions } from 'ws'
import { SECRET, type ClientKind, type OpenClient, type Target } from './clients.ts'
import { agentOf, tlsOptionsOf } from './http-clients.ts'

const host = '127.0.0.1'
const HTTP_REQUEST = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECRET.length}\r\n\r\n${SECRET}`

/** Sends a request over a connection that has to begin with the right answer. */
async function sendOver(socket: TLSSocket): Promise<void> {
  try {
    socket.write(HTTP_REQUEST)
    const [data] = await once(socket, 'data')
    if (!String(data).includes('right')) throw new Error('a wrong server has answered')
  } finally {
    socket.on('error', () => undefined).destroy()
  }
}

/** A client whose connections last for one message. */
const single = (
  name: string,
  send: (target: Target) => Promise<unknown>,
  isAnswered = true,
): ClientKind => ({
  name,
  connections: 'single',
  isAnswered,
  open: (target) => ({ send: () => send(target), close: () => undefined }),
})

interface WebSocketEvents {
  send(data: string): void
  close(): void
  addEventListener(type: 'close' | 'error' | 'message' | 'open', listener: () => void): void
}

/** Resolves with the echo of what was sent. */
function echo(socket: WebSocketEvents): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('error', () => reject(new Error('the WebSocket failed')))
    socket.addEventListener('close', () => reject(new Error('the WebSocket was closed')))
    socket.addEventListener('open', () => socket.send(SECRET))
    socket.addEventListener('message', () => {
      socket.close()
      resolve()
    })
  })
}

function overWebSocket(
  name: string,
  make: (url: string, dispatcher: object) => WebSocketEvents,
): ClientKind {
  return {
    name,
    connections: 'single',
    isAnswered: true,
    open: ({ port, options }) => {
      const dispatcher = createDispatcher(options)
      return {
        send: () => echo(make(`wss://${host}:${port}/`, dispatcher)),
        close: () => dispatcher.destroy(),
      }
    },
  }
}

/** The types of `ws` have another `checkServerIdentity` than Node, to which it hands its options. */
const webSocketOptionsOf = (target: Target): ClientOptions => {
  const { checkServerIdentity, ...options } = tlsOptionsOf(target)
  return Object.assign({ ...options }, { checkServerIdentity: checkServerIdentity as never })
}

const webSocketClients: readonly ClientKind[] = [
  overWebSocket(
    'WebSocket of undici',
    (url, dispatcher) => new UndiciWebSocket(url, { dispatcher: dispatcher as never }),
  ),
  single('ws with tlsOptions', (target) =>
    echo(new WebSocket(`wss://${host}:${target.port}/`, webSocketOptionsOf(target))),
  ),
  single('ws with SvidAgent', (target) =>
    echo(new WebSocket(`wss://${host}:${target.port}/`, { agent: agentOf(target) })),
  ),
]

function openPg(target: Target): OpenClient {
  const { port } = target
  const ssl = tlsOptionsOf(target)
  const pool = new Pool({ host, port, user: 'orders', password: SECRET, database: 'x', ssl })
  pool.on('error', () => undefined)
  return { send: () => pool.query('select $1', [SECRET]), close: () => pool.end() }
}

async function sendByIoredis(target: Target): Promise<void> {
  const client = new Ioredis({
    host,
    port: target.port,
    tls: tlsOptionsOf(target),
    password: SECRET,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  client.on('error', () => undefined)
  await client.set('secret', SECRET).finally(() => client.disconnect())
}

async function sendByRedis(target: Target): Promise<void> {
  const socket = {
    host,
    port: target.port,
    tls: true,
    reconnectStrategy: false,
    ...tlsOptionsOf(target),
  } as const
  const client = createClient({ socket, password: SECRET }).on('error', () => undefined)
  await client.connect()
  await client.set('secret', SECRET).finally(() => client.destroy())
}

/** The clients that speak no HTTP, each in the way that the documentation names. */
export const otherClients: readonly ClientKind[] = [
  single('connect', async ({ port, options }) =>
    sendOver(await connect({ ...options, host, port, alpnProtocols: ['http/1.1'] })),
  ),
  single('tls.connect', (target) => {
    const { port } = target
    return sendOver(
      tls.connect({ host, port, ALPNProtocols: ['http/1.1'], ...tlsOptionsOf(target) }),
    )
  }),
  ...webSocketClients,
  { name: 'pg', preface: 'postgresql', connections: 'kept', isAnswered: false, open: openPg },
  single('ioredis', sendByIoredis, false),
  single('redis', sendByRedis, false),
]
