import { once } from 'node:events'
import type { Server } from 'node:net'

/** Listens on 127.0.0.1, and resolves with the port that the system chose. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return address.port
}
