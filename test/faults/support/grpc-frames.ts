import type { ServerHttp2Stream } from 'node:http2'

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const

/** A length-prefixed message of gRPC, whose prefix may lie. */
export function frame(message: Uint8Array, lengthBytes: number = message.length): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(lengthBytes, 1)
  return Buffer.concat([prefix, message])
}

/** Answers a call with these bytes, and leaves it open. */
export function respond(stream: ServerHttp2Stream, bytes: Uint8Array): void {
  stream.respond(HEADERS)
  stream.write(bytes)
}

/** Answers a call with these bytes, and ends it with a status of gRPC. */
export function respondAndEnd(stream: ServerHttp2Stream, bytes: Uint8Array, status: number): void {
  stream.respond(HEADERS, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }))
  stream.end(bytes)
}
