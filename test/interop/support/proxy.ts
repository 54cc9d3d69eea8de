import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Daemon } from '../../spire/fixture/daemon.ts'
import { until, type Workload } from '../../spire/fixture/index.ts'
import { freePort } from '../../spire/fixture/port.ts'
import type {
  ClientOptions,
  ClientRole,
  PeerClient,
  PeerServer,
  ServerOptions,
  ServerRole,
} from '../peer.ts'
import { getPlain, listens, startBackend } from './plain-http.ts'
import { SvidFiles } from './svid-files.ts'

/** A proxy that takes its SVID from files. */
export interface ProxyProgram {
  readonly name: string
  readonly command: (configuration: string) => readonly [file: string, ...args: string[]]
  /** Lets a running proxy take the SVID that has just been written. */
  readonly renew: (proxy: RunningProxy, svid: string) => Promise<void>
}

export interface RunningProxy {
  readonly daemon: Daemon
  readonly files: SvidFiles
}

/** What its configuration is made of. */
export interface ProxySettings {
  /** Where it listens on 127.0.0.1. */
  readonly port: number
  /** The port on 127.0.0.1 that it forwards to. */
  readonly target: number
  readonly files: SvidFiles
}

type Configuration = (settings: ProxySettings) => string

/** The two roles of a proxy, each with its configuration. */
export function proxyRoles(
  program: ProxyProgram,
  configurations: { readonly client: Configuration; readonly server: Configuration },
): {
  readonly client: ClientRole
  readonly server: ServerRole
} {
  return {
    client: {
      knows: 'DNS name',
      keepsConnections: false,
      start: (options) => startClient(program, configurations.client, options),
    },
    server: {
      knows: 'bundle only',
      tellsCaller: true,
      start: (options) => startServer(program, configurations.server, options),
    },
  }
}

/** A proxy in front of a caller without TLS. */
async function startClient(
  program: ProxyProgram,
  configuration: Configuration,
  { workload, port }: ClientOptions,
): Promise<PeerClient> {
  const proxy = await start(program, configuration, workload, port)
  return {
    get: async () => ({ server: null, body: await getPlain(proxy.port) }),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  }
}

/** A proxy in front of a server without TLS. */
async function startServer(
  program: ProxyProgram,
  configuration: Configuration,
  { workload }: ServerOptions,
): Promise<PeerServer> {
  const backend = await startBackend()
  const proxy = await start(program, configuration, workload, backend.port)
  return {
    port: proxy.port,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    },
  }
}

async function start(
  program: ProxyProgram,
  configuration: Configuration,
  workload: Workload,
  target: number,
): Promise<PeerServer> {
  const files = await SvidFiles.open(workload)
  const port = await freePort()
  const file = join(files.folder, 'configuration')
  writeFileSync(file, configuration({ port, target, files }))
  const [path, ...args] = program.command(file)
  const daemon = new Daemon(program.name, path, args)
  await until(`${program.name} listens`, () => listens(port), { daemon })
  let renewals = Promise.resolve()
  files.onRenewed((svid) => {
    renewals = renewals.then(() => program.renew({ daemon, files }, svid))
  })
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await renewals
      await daemon.stop()
      await files[Symbol.asyncDispose]()
    },
  }
}
