import { once } from 'node:events'
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { connect, type TLSSocket } from 'node:tls'
import { offer } from './child.ts'
import type { Material } from './material.ts'

// Clients by the thousand, in a process of their own.

export type Protocol = 'http/1.1' | 'h2'

/** Handshakes under way at the same time. */
const AT_ONCE = 16

interface Connection {
  readonly socket: TLSSocket
  readonly session: ClientHttp2Session | null
}

const connections: Connection[] = []
let open = 0
let emptied: () => void = () => {}

async function dial(port: number, protocol: Protocol, { cert, key }: Material): Promise<void> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    cert,
    key,
    rejectUnauthorized: false,
    ALPNProtocols: [protocol],
  })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  const session =
    protocol === 'h2' ? connectHttp2('https://127.0.0.1', { createConnection: () => socket }) : null
  session?.on('error', () => {})
  open++
  socket.once('close', () => {
    if (--open === 0) emptied()
  })
  const connection = { socket, session }
  connections.push(connection)
  await ask(connection)
}

async function knock(port: number, { cert, key }: Material): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false })
  socket.on('error', () => {}).resume()
  await new Promise((resolve) => socket.once('close', resolve))
}

async function ask({ socket, session }: Connection): Promise<number> {
  if (session !== null) {
    const stream = session.request({ ':path': '/orders' })
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
    stream.resume()
    await once(stream, 'close')
    return headers[':status']
  }
  socket.write('GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return Number(String(answer).slice(9, 12))
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

const skills = {
  /** Opens so many connections, makes a request on each, and keeps them. Returns how many there are. */
  async connect(
    port: number,
    protocol: Protocol,
    materials: readonly Material[],
    count: number,
  ): Promise<number> {
    const wanted = Array.from({ length: count }, (_, index) => materials[index % materials.length]!)
    await each(wanted, (material) => dial(port, protocol, material))
    return open
  },

  /** Makes a request on every `step`th connection. Returns how many were answered with each status. */
  async request(step: number): Promise<Map<number, number>> {
    const statuses = new Map<number, number>()
    const asked = connections.filter((_, index) => index % step === 0)
    await each(asked, async (connection) => {
      const status = await ask(connection)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    })
    return statuses
  },

  /** Shakes hands so many times, and waits for each connection to be cut. */
  async knock(port: number, materials: readonly Material[], count: number): Promise<void> {
    const wanted = Array.from({ length: count }, (_, index) => materials[index % materials.length]!)
    await each(wanted, (material) => knock(port, material))
  },

  open: (): number => open,

  /** Resolves when the server has ended the last connection. */
  async emptied(): Promise<void> {
    if (open > 0) await new Promise<void>((resolve) => (emptied = resolve))
  },
}

export type Crowd = typeof skills

offer(skills)
