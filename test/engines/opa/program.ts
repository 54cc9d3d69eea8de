import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../interop/support/programs.ts'
import { Daemon } from '../../spire/fixture/daemon.ts'
import { goPrograms } from '../../support/go-programs.ts'
import { LeftOut } from '../support/left-out.ts'

const PROGRAM = 'opa-envoy-plugin'
const SOURCES = fileURLToPath(new URL('../../../engines/opa/', import.meta.url))

/**
 * The path of OPA with its Envoy plugin, built from the pinned Go module in `test/engines/opa/module`.
 *
 * @throws LeftOut where there is no Go
 */
export async function opaProgram(): Promise<string> {
  if (findProgram('go') === undefined) throw new LeftOut('no go on this machine')
  const folder = await goPrograms({
    folder: join(SOURCES, 'module'),
    name: 'opa',
    programs: new Map([[PROGRAM, `github.com/open-policy-agent/${PROGRAM}/cmd/${PROGRAM}`]]),
    sources: ['go.sum'],
    patience: 'minutes, once',
  })
  return join(folder, PROGRAM)
}

export async function startOpa(program: string, port: number): Promise<Daemon> {
  const policy = join(SOURCES, 'policy.rego')
  return new Daemon('opa', program, [...RUN, '--addr', `127.0.0.1:${port}`, policy])
}

/** With the Envoy plugin; the REST API is then out of the way. */
export async function startOpaForEnvoy(program: string, port: number): Promise<Daemon> {
  const plugin = 'plugins.envoy_ext_authz_grpc'
  const flags = ['--addr', '127.0.0.1:0', '--set', `${plugin}.addr=127.0.0.1:${port}`]
  const policy = ['--set', `${plugin}.path=envoy/allow`, join(SOURCES, 'envoy.rego')]
  return new Daemon('opa with its Envoy plugin', program, [...RUN, ...flags, ...policy])
}

const RUN = ['run', '--server', '--disable-telemetry', '--log-level', 'error']
