import { join } from 'node:path'
import type { Peer } from '../peer.ts'
import { build, pinned } from '../support/build.ts'
import { sdkRoles } from '../support/sdk.ts'

const NAME = 'java-spiffe'

export const javaSpiffe: Peer = {
  name: NAME,
  requires: ['mvn', 'javac'],
  prepare: async () => {
    const folder = await build({
      name: NAME,
      version: ['javac', '-version'],
      fetch: (output) => [
        'mvn',
        '--batch-mode',
        '--quiet',
        '-Dstyle.color=never',
        'dependency:copy-dependencies',
        `-DoutputDirectory=${output}`,
      ],
      compile: (output) => [
        'javac',
        '-cp',
        join(output, '*'),
        '-d',
        output,
        'Peer.java',
        'Tokens.java',
      ],
    })
    const version = await pinned(
      NAME,
      'pom.xml',
      /provider<\/artifactId>\s*<version>(\S+)<\/version/,
    )
    const classPath = `${folder}:${join(folder, '*')}`
    // Starts faster; the program is too short-lived for the second compiler.
    const command = ['java', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'Peer'] as const
    // Over Unix sockets grpc-java sends a path as `:authority`, which Node refuses.
    return { version, ...sdkRoles(command, { keepsConnections: true, needsTcp: true }) }
  },
}
