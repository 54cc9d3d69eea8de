import { join } from 'node:path'
import type { Peer } from '../peer.ts'
import { build, pinned } from '../support/build.ts'
import { sdkRoles } from '../support/sdk.ts'

const NAME = 'go-spiffe'

export const goSpiffe: Peer = {
  name: NAME,
  requires: ['go'],
  prepare: async () => {
    const folder = await build({
      name: NAME,
      version: ['go', 'env', 'GOVERSION'],
      fetch: () => ['go', 'list', '-deps', '.'],
      compile: (output) => [
        'go',
        'build',
        '-trimpath',
        '-buildvcs=false',
        '-o',
        join(output, NAME),
      ],
    })
    const version = await pinned(NAME, 'go.mod', /go-spiffe\/v2 v(\S+)/)
    return { version, ...sdkRoles([join(folder, NAME)], { keepsConnections: true }) }
  },
}
