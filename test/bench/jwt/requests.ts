// Kept-alive requests with a JWT-SVID that was seen before, and without one, beside the same without this project.
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { Authority } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import Fastify, { type FastifyInstance } from 'fastify'
import { compare, type Comparison } from '../outward/paired.ts'

const REQUESTS = 500
const ROUNDS = 20
const AUDIENCE = 'orders'

/** A connection on which one request follows the other. All answers have the length of the first. */
class Connection {
  readonly #socket: net.Socket
  readonly #request: Buffer
  #answerBytes = 0

  private constructor(socket: net.Socket, request: Buffer) {
    this.#socket = socket
    this.#request = request
  }

  static async open(app: FastifyInstance, headers = ''): Promise<Connection> {
    const { port } = app.server.address() as AddressInfo
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const request = Buffer.from(`GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n`)
    const connection = new Connection(socket, request)
    socket.write(request)
    const [first] = (await once(socket, 'data')) as [Buffer]
    const text = first.toString('latin1')
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(`unexpected answer: ${text.slice(0, 80)}`)
    connection.#answerBytes = first.length
    return connection
  }

  async send(count: number): Promise<void> {
    const socket = this.#socket
    let [left, bytes] = [count, 0]
    await new Promise<void>((resolve) => {
      const onData = (part: Buffer): void => {
        bytes += part.length
        if (bytes < this.#answerBytes) return
        bytes = 0
        left--
        if (left > 0) return void socket.write(this.#request)
        socket.off('data', onData)
        resolve()
      }
      socket.on('data', onData)
      socket.write(this.#request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function listening(app: FastifyInstance): Promise<FastifyInstance> {
  app.get('/', (request) => `hello ${String(request.spiffeId)}`.padEnd(60))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

/** CPU of server and client together, and requests per second: with this project / without, for the same requests. */
export async function compareRequests(): Promise<readonly Comparison[]> {
  const authority = await Authority.create({ trustDomain: 'example.org' })
  const source = await authority.source('spiffe://example.org/orders')
  const { token } = authority.jwt.issueJwtSvid('spiffe://example.org/web', { audience: AUDIENCE })
  const [app, bare] = [Fastify(), Fastify()]
  await app.register(peer, { jwt: { audience: AUDIENCE, source, allowPlaintext: true } })
  await Promise.all([app, bare].map(listening))
  const header = `authorization: Bearer ${token}\r\n`
  const cases = [
    [
      'with a remembered token',
      await Connection.open(app, header),
      await Connection.open(bare, header),
    ],
    ['without a token', await Connection.open(app), await Connection.open(bare)],
  ] as const
  const about = { unit: 'request', units: REQUESTS, rounds: ROUNDS, goal: 0 }
  const comparisons: Comparison[] = []
  for (const [what, ours, theirs] of cases) {
    const pair = { ours: () => ours.send(REQUESTS), bare: () => theirs.send(REQUESTS) }
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    comparisons.push(await compare(pair, { ...about, name: `requests ${what}` }))
    ours.close()
    theirs.close()
  }
  await Promise.all([app.close(), bare.close()])
  await authority.close()
  return comparisons
}
