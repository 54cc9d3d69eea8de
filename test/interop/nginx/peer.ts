import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startProxyClient, startProxyServer, type ProxyProgram } from '../support/proxy.ts'
import type { Peer } from '../peer.ts'
import { programPath } from '../support/programs.ts'
import { clientConfiguration, serverConfiguration } from './configuration.ts'

/** A proxy that reads its SVID from files, and reads them again at SIGHUP. */
export const nginx: Peer = {
  name: 'nginx',
  requires: ['nginx'],
  prepare: async () => {
    const path = programPath('nginx')
    const { stderr } = await promisify(execFile)(path, ['-v'])
    const program: ProxyProgram = {
      name: 'nginx',
      command: (file) => [path, '-e', 'stderr', '-c', file],
      renew: async ({ daemon }) => daemon.signal('SIGHUP'),
    }
    return {
      version: /nginx\/(\S+)/.exec(stderr)?.[1] ?? 'unknown',
      client: {
        knows: 'DNS name',
        keepsConnections: false,
        start: (options) => startProxyClient(program, clientConfiguration, options),
      },
      server: {
        knows: 'bundle only',
        tellsCaller: true,
        start: (options) => startProxyServer(program, serverConfiguration, options),
      },
    }
  },
}
