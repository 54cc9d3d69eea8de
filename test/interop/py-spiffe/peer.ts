import { join } from 'node:path'
import type { Peer } from '../peer.ts'
import { build, pinned, sourcesOf } from '../support/build.ts'
import { sdkRoles } from '../support/sdk.ts'

const NAME = 'py-spiffe'

export const pySpiffe: Peer = {
  name: NAME,
  requires: ['python3'],
  prepare: async () => {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
    const folder = await build({
      name: NAME,
      version: ['python3', '--version'],
      // The list is complete: what is not in it is not installed.
      fetch: (output) => [
        'python3',
        ...pip,
        '--no-deps',
        '--target',
        output,
        '-r',
        'requirements.txt',
      ],
    })
    const version = await pinned(NAME, 'requirements.txt', /^spiffe==(\S+)/m)
    const program = join(sourcesOf(NAME), 'peer.py')
    // What it compiled would lie among its sources.
    const env = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' }
    return { version, ...sdkRoles(['python3', program], { env }) }
  },
}
