import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { proxyRoles, type ProxyProgram } from '../support/proxy.ts'
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
    const version = /nginx\/(\S+)/.exec(stderr)?.[1] ?? 'unknown'
    const configurations = { client: clientConfiguration, server: serverConfiguration }
    return { version, ...proxyRoles(program, configurations) }
  },
}
