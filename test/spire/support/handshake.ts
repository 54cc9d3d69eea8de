import { once } from 'node:events'
import { matchId } from '@fastify-spiffe/spiffe'
import { connect, peerOf } from '@fastify-spiffe/tls'
import type { CallerOptions } from './caller.ts'

/** The serial number of the SVID that the service presents on a new connection. */
export async function presentedSerialNumber(options: CallerOptions): Promise<string | undefined> {
  const { server, ...endpoint } = options
  const socket = await connect({ ...endpoint, host: '127.0.0.1', server: matchId(server) })
  const serialNumber = peerOf(socket)?.serialNumber
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
  return serialNumber
}
