import { EventEmitter, once } from 'node:events'
import type { TLSSocket } from 'node:tls'

/** RFC 9113 §6. */
export const HEADERS = 0x1
const SETTINGS = 0x4
export const GOAWAY = 0x7

const END_STREAM_AND_HEADERS = 0x5
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

interface Frame {
  readonly type: number
  readonly stream: number
}

/** An HTTP/2 client without manners: it opens streams whether it may or not. */
export class FrameClient {
  readonly #socket: TLSSocket
  readonly #changes = new EventEmitter()
  readonly #frames: Frame[] = []
  #bytes = Buffer.alloc(0)
  #isOver = false

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.once('close', () => {
      this.#isOver = true
      this.#changes.emit('change')
    })
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]))
  }

  /** Opens a stream with a request for `/`. */
  request(stream: number): void {
    // RFC 7541, appendix A: :method GET, :scheme https, :path /, and a literal :authority.
    const fields = Buffer.concat([
      Buffer.from([0x82, 0x87, 0x84, 0x41, 0x06]),
      Buffer.from('orders'),
    ])
    this.#socket.write(frame(HEADERS, END_STREAM_AND_HEADERS, stream, fields))
  }

  /** Opens a stream with a request for a tunnel. */
  connect(stream: number): void {
    const fields = Buffer.concat([literal(2, 'CONNECT'), literal(1, 'orders:1')])
    this.#socket.write(frame(HEADERS, END_STREAM_AND_HEADERS, stream, fields))
  }

  /** Waits for a frame of a type, on a stream or on any; `undefined` when the connection ends without one. */
  async receive(type: number, stream?: number): Promise<Frame | undefined> {
    const isWanted = (given: Frame): boolean =>
      given.type === type && (stream === undefined || given.stream === stream)
    while (!this.#isOver && !this.#frames.some(isWanted)) await once(this.#changes, 'change')
    return this.#frames.find(isWanted)
  }

  /** Waits until the connection is gone. */
  async end(): Promise<void> {
    while (!this.#isOver) await once(this.#changes, 'change')
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 9) {
      const length = 9 + this.#bytes.readUIntBE(0, 3)
      if (this.#bytes.length < length) break
      this.#frames.push({
        type: this.#bytes.readUInt8(3),
        stream: this.#bytes.readUInt32BE(5),
      })
      this.#bytes = this.#bytes.subarray(length)
    }
    this.#changes.emit('change')
  }
}

// RFC 7541 §6.2.1: with incremental indexing, the name by its index.
const literal = (index: number, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40 + index, value.length]), Buffer.from(value)])

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
