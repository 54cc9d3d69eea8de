import { join } from 'node:path'
import type { Peer } from '../peer.ts'
import { build, pinned } from '../support/build.ts'
import { sdkRoles } from '../support/sdk.ts'

const NAME = 'rust-spiffe'

export const rustSpiffe: Peer = {
  name: NAME,
  requires: ['cargo'],
  prepare: async () => {
    const folder = await build({
      name: NAME,
      version: ['cargo', '--version'],
      fetch: () => ['cargo', 'fetch', '--locked'],
      compile: (output) => [
        'cargo',
        'install',
        '--locked',
        '--path',
        '.',
        '--root',
        output,
        // Beside the outcome, so that a change of the program alone compiles nothing else anew.
        '--target-dir',
        join(output, '..', 'target'),
      ],
    })
    const version = await pinned(NAME, 'Cargo.toml', /^spiffe = .*"=(\S+?)"/m)
    return { version, ...sdkRoles([join(folder, 'bin', 'interop-rust-spiffe')]) }
  },
}
