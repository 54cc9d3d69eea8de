import { once } from 'node:events'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'

/** Listens where an agent should, and is none. */
export class Impostor implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #connections = 0

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#connections++
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** One that does `script` with each connection. */
  static bytes(path: string, script: (socket: Socket) => void): Promise<Impostor> {
    return new Impostor(createServer(script)).#listen(path)
  }

  /** One that speaks HTTP/2, and does `script` with each call. */
  static calls(path: string, script: (stream: ServerHttp2Stream) => void): Promise<Impostor> {
    const server = createHttp2Server()
    server.on('sessionError', () => {})
    server.on('stream', (stream) => {
      stream.on('error', () => {})
      script(stream)
    })
    return new Impostor(server).#listen(path)
  }

  /** Resolves after so many connections more. */
  async met(connections: number): Promise<void> {
    const wanted = this.#connections + connections
    while (this.#connections < wanted) await once(this.#server, 'connection')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #listen(path: string): Promise<this> {
    this.#server.listen(path)
    await once(this.#server, 'listening')
    return this
  }
}
