import net from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { identityOf, type PresentedIdentity } from './presented.ts'

export type ClientOptions = {
  /** `null`: no certificate. */
  readonly material: MintedCertificate | null
} & Pick<ConnectionOptions, 'minVersion' | 'maxVersion' | 'session'>

/** What one connection to the X.509 port has shown. */
export interface Presentation {
  /** The line that was written: the peer's SPIFFE ID. `null`: cut off, which is a rejection. */
  readonly line: string | null
  /** What the harness presented; `null` when no handshake came about. */
  readonly server: PresentedIdentity | null
  /** The sessions that were offered for a resumption. */
  readonly sessions: readonly Buffer[]
  readonly isResumed: boolean
}

/** Connects without scruples: what the server presents is looked at, and not verified. */
export function dial(port: number, { material, ...options }: ClientOptions): TLSSocket {
  return tls.connect({
    // Whoever does not hang up keeps its own half of the connection.
    socket: net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
    rejectUnauthorized: false,
    ...(material && { cert: material.certificatesPem, key: material.privateKeyPem }),
    ...options,
  })
}

/** Connects, and reads until the end. */
export async function present(port: number, options: ClientOptions): Promise<Presentation> {
  const socket = dial(port, options)
  let text = ''
  let server: PresentedIdentity | null = null
  let isResumed = false
  const sessions: Buffer[] = []
  socket.on('secureConnect', () => {
    server = identityOf(socket)
    isResumed = socket.isSessionReused()
  })
  socket.on('session', (session) => sessions.push(session))
  socket.setEncoding('utf8').on('data', (chunk) => (text += String(chunk)))
  // However it ends: what counts is what was written before.
  socket.on('error', () => undefined)
  socket.on('end', () => socket.end())
  await new Promise((resolve) => socket.once('close', resolve))
  const end = text.indexOf('\n')
  return { line: end > 0 ? text.slice(0, end) : null, server, sessions, isResumed }
}
