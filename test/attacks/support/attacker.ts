import { text } from 'node:stream/consumers'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'

export const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'
export const LAST_GET = 'GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n'

/** What came of one connection. */
export interface Attempt {
  /** Everything that the service sent. */
  readonly answer: string
  /** The body of an answer with status 200; `null`: there was none. */
  readonly body: string | null
  readonly isResumed: boolean
  /** What the service issued to resume the session with, the last one first. */
  readonly sessions: readonly Buffer[]
}

/** Opens a connection with any certificate, and verifies nothing. */
export const dial = (
  port: number,
  material: MintedCertificate | null,
  options: ConnectionOptions = {},
): TLSSocket =>
  tls
    .connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ...(material && { cert: material.certificatesPem, key: material.privateKeyPem }),
      ...options,
    })
    // What comes of a connection is seen by whether it was answered.
    .on('error', () => undefined)

/** Sends something, by default one request, without waiting for the end of the handshake, and takes all that comes back. */
export async function attempt(
  port: number,
  material: MintedCertificate | null,
  { send = LAST_GET, ...options }: ConnectionOptions & { readonly send?: string } = {},
): Promise<Attempt> {
  const socket = dial(port, material, options)
  const sessions: Buffer[] = []
  let isResumed = false
  socket.on('session', (session: Buffer) => sessions.unshift(session))
  socket.once('secureConnect', () => (isResumed = socket.isSessionReused()))
  socket.write(send)
  const answer = await answerOf(socket)
  socket.destroy()
  return { answer, body: bodyOf(answer), isResumed, sessions }
}

/** Everything that a service sends until it ends or cuts the connection. */
export const answerOf = (socket: TLSSocket): Promise<string> => text(socket).catch(() => '')

const bodyOf = (answer: string): string | null => {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return head.startsWith('HTTP/1.1 200 ') ? body : null
}
