import { join } from 'node:path'
import { Daemon } from '../../spire/fixture/daemon.ts'
import { until } from '../../spire/fixture/index.ts'
import { freePort } from '../../spire/fixture/port.ts'
import type { ClientRole, Peer, PeerServer, ServerRole } from '../peer.ts'
import { build, pinned } from '../support/build.ts'
import { getPlain, listens, startBackend } from '../support/plain-http.ts'

const NAME = 'ghostunnel'
const PACKAGE = 'github.com/ghostunnel/ghostunnel'

export const ghostunnel: Peer = {
  name: NAME,
  requires: ['go'],
  prepare: async () => {
    const folder = await build({
      name: NAME,
      version: ['go', 'env', 'GOVERSION'],
      fetch: () => ['go', 'list', '-deps', PACKAGE],
      compile: (output) => ['go', 'build', '-trimpath', '-o', join(output, NAME), PACKAGE],
    })
    const program = join(folder, NAME)
    const version = await pinned(NAME, 'go.mod', /^require \S+ghostunnel v(\S+)/m)
    return { version, client: clientRole(program), server: serverRole(program) }
  },
}

/** Takes TCP connections of this machine, and makes a TLS connection for each. */
function clientRole(program: string): ClientRole {
  return {
    knows: 'SPIFFE ID',
    keepsConnections: false,
    start: async ({ workload, port, server }) => {
      const flags = ['client', '--target', `127.0.0.1:${port}`, '--verify-uri', server]
      const tunnel = await start(program, workload.address, flags)
      return {
        get: async () => ({ server: null, body: await getPlain(tunnel.port) }),
        [Symbol.asyncDispose]: () => tunnel[Symbol.asyncDispose](),
      }
    },
  }
}

/** Takes TLS connections, and makes a TCP connection to the backend for each. */
function serverRole(program: string): ServerRole {
  return {
    knows: 'SPIFFE ID',
    tellsCaller: false,
    start: async ({ workload, callers }) => {
      const backend = await startBackend()
      const allowed = callers.flatMap((caller) => ['--allow-uri', caller])
      const flags = ['server', '--target', `127.0.0.1:${backend.port}`, ...allowed]
      const tunnel = await start(program, workload.address, flags)
      return {
        port: tunnel.port,
        [Symbol.asyncDispose]: async () => {
          await tunnel[Symbol.asyncDispose]()
          await backend[Symbol.asyncDispose]()
        },
      }
    },
  }
}

async function start(
  program: string,
  address: string,
  flags: readonly string[],
): Promise<PeerServer> {
  const port = await freePort()
  const daemon = new Daemon(NAME, program, [
    ...flags,
    '--listen',
    `127.0.0.1:${port}`,
    '--use-workload-api-addr',
    address,
    '--shutdown-timeout',
    '1s',
  ])
  await until(`${NAME} listens`, () => listens(port), { daemon })
  return { port, [Symbol.asyncDispose]: () => daemon.stop() }
}
