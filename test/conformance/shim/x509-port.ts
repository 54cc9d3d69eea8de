import { createSvidTlsServer, peerOf } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { listen } from './listen.ts'

/** Opens the port that tells each authenticated peer its SPIFFE ID, and closes. */
export function openX509Port(source: X509MaterialSource): Promise<number> {
  // The contract: TLS 1.2 or 1.3.
  const server = createSvidTlsServer(source, { minVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', (error) => process.stderr.write(`x509 port: ${error.message}\n`))
    socket.resume().end(`${String(peerOf(socket)?.spiffeId)}\n`)
  })
  return listen(server)
}
