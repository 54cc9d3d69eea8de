import { once } from 'node:events'
import tls from 'node:tls'

/** What a client needs to connect: its certificate chain and key as PEM, and the port on 127.0.0.1. */
export interface Target {
  readonly port: number
  readonly cert: string
  readonly key: string
  /** A session to resume. Default: none, and every handshake is a full one. */
  readonly session?: Buffer
}

const REQUEST = Buffer.from('GET /orders HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
const LAST_REQUEST = Buffer.from(
  'GET /orders HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n',
)
const OK = Buffer.from('HTTP/1.1 200')

/** The server is not what is measured here, so it is not verified. */
async function connect(target: Target): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', rejectUnauthorized: false, ...target })
  await once(socket, 'secureConnect')
  if (socket.isSessionReused() !== (target.session !== undefined)) {
    throw new Error('a handshake was not of the kind that is measured')
  }
  return socket
}

/** Connects once, and returns a session that the server lets be resumed. */
export async function sessionOf(target: Target): Promise<Buffer> {
  const socket = await connect(target)
  const issued = once(socket, 'session')
  socket.write(LAST_REQUEST)
  const [session] = (await issued) as [Buffer]
  socket.destroy()
  return session
}

function assertOk(response: Buffer): void {
  if (!response.subarray(0, OK.length).equals(OK)) {
    throw new Error(`unexpected answer: ${response.subarray(0, 80).toString('latin1')}`)
  }
}

/** A kept-alive connection that sends one request after the other. Every answer has the length of the first. */
export class KeptAlive {
  readonly #socket: tls.TLSSocket
  #answerBytes = 0

  private constructor(socket: tls.TLSSocket) {
    this.#socket = socket
  }

  static async open(target: Target): Promise<KeptAlive> {
    const client = new KeptAlive(await connect(target))
    client.#socket.write(REQUEST)
    const [first] = (await once(client.#socket, 'data')) as [Buffer]
    assertOk(first)
    client.#answerBytes = first.length
    return client
  }

  async send(count: number): Promise<void> {
    const socket = this.#socket
    await new Promise<void>((resolve, reject) => {
      let answered = 0
      let received = 0
      const settle = (end: () => void): void => {
        socket.off('data', onData)
        socket.off('error', onError)
        socket.off('close', onClose)
        end()
      }
      const onError = (error: Error): void => settle(() => reject(error))
      const onClose = (): void => settle(() => reject(new Error('the connection was cut')))
      const onData = (chunk: Buffer): void => {
        if (received === 0) assertOk(chunk)
        received += chunk.length
        if (received < this.#answerBytes) return
        received = 0
        answered += 1
        if (answered === count) settle(resolve)
        else socket.write(REQUEST)
      }
      socket.on('data', onData)
      socket.on('error', onError)
      socket.on('close', onClose)
      socket.write(REQUEST)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function oneConnection(target: Target): Promise<void> {
  const socket = await connect(target)
  socket.write(LAST_REQUEST)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assertOk(answer)
  socket.destroy()
}

/** Opens `count` connections with one request each, `parallel` at a time. */
export async function newConnections(
  target: Target,
  count: number,
  parallel: number,
): Promise<void> {
  let left = count
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await oneConnection(target)
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}
