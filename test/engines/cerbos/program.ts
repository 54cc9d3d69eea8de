import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Daemon } from '../../spire/fixture/daemon.ts'
import { freePort } from '../../spire/fixture/port.ts'
import { runBuildTool } from '../../support/build-tool.ts'
import { cachedBuild } from '../../support/cached-build.ts'
import { LeftOut } from '../support/left-out.ts'

const PACKAGE = '@cerbos/cerbos-linux-x64'
const VERSION = '0.55.0'
const POLICIES = fileURLToPath(new URL('../../../engines/cerbos/policies/', import.meta.url))

/**
 * The path of Cerbos, from the npm package that carries it, in the user's cache.
 *
 * @throws LeftOut where there is no such package for the machine, or it cannot be had
 */
export async function cerbosProgram(): Promise<string> {
  const machine = `${process.platform}-${process.arch}`
  if (machine !== 'linux-x64') throw new LeftOut(`${PACKAGE} is not for ${machine}`)
  const wanted = `${PACKAGE}@${VERSION}`
  const folder = await cachedBuild({
    name: 'cerbos',
    inputs: [wanted],
    say,
    build: async (output) => {
      say(`fetching ${wanted} (96 MB, once)`)
      const quiet = ['--silent', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts']
      const args = ['install', ...quiet, '--prefix', output, wanted]
      await runBuildTool('npm', args, { cwd: output }).catch((cause: unknown) => {
        throw new LeftOut(`${wanted} could not be fetched`, { cause })
      })
    },
  })
  return join(folder, 'node_modules', PACKAGE, 'cerbos-linux-x64')
}

export interface CerbosSettings {
  readonly port: number
  /** Whether a rule that fails refuses. Cerbos' own default: no. */
  readonly isStrict?: boolean
}

export async function startCerbos(
  program: string,
  { port, isStrict = true }: CerbosSettings,
): Promise<Daemon> {
  const settings = [
    `server.httpListenAddr=127.0.0.1:${port}`,
    // Its HTTP server asks its gRPC server, by this very address.
    `server.grpcListenAddr=127.0.0.1:${await freePort()}`,
    'storage.driver=disk',
    `storage.disk.directory=${POLICIES}`,
    `engine.strictEvaluation=${isStrict}`,
  ]
  const flags = settings.map((setting) => `--set=${setting}`)
  return new Daemon('cerbos', 'env', [
    'CERBOS_NO_TELEMETRY=1',
    program,
    'server',
    '--log-level=warn',
    ...flags,
  ])
}

function say(line: string): void {
  process.stderr.write(`cerbos: ${line}\n`)
}
