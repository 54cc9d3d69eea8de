import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ClientRole, Peer } from '../peer.ts'
import { programPath } from '../support/programs.ts'
import { DNS_NAME } from '../support/scene.ts'
import { SvidFiles } from '../support/svid-files.ts'

const run = promisify(execFile)

export const curl: Peer = {
  name: 'curl',
  requires: ['curl'],
  prepare: async () => {
    const program = programPath('curl')
    const { stdout } = await run(program, ['--version'])
    const version = /^curl (\S+)/.exec(stdout)?.[1] ?? 'unknown'
    return { version, client: clientRole(program), server: 'curl is a client only' }
  },
}

/** Starts curl for each request, with what the files hold then. */
function clientRole(program: string): ClientRole {
  return {
    knows: 'DNS name',
    keepsConnections: false,
    start: async ({ workload, port }) => {
      const files = await SvidFiles.open(workload)
      const options = ['--silent', '--show-error', '--fail', '--max-time', '10']
      const identity = ['--cert', files.svid, '--key', files.svid, '--cacert', files.bundle]
      const target = ['--connect-to', `::127.0.0.1:${port}`, `https://${DNS_NAME}/orders`]
      const args = [...options, ...identity, ...target]
      return {
        get: async () => ({ server: null, body: (await run(program, args)).stdout }),
        [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
      }
    },
  }
}
