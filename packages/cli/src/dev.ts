import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { DevCommand } from './command.ts'
import type { CommandContext } from './context.ts'

const warning = `
  *** DEVELOPMENT ONLY ***  This authority attests no workload: every process that can open a
  socket below gets its identity. Its keys exist in memory only. Do not use it in production.

`

/** Runs the embedded authority until SIGINT or SIGTERM. */
export async function dev(
  command: DevCommand,
  { stdout, stderr, signals }: CommandContext,
): Promise<void> {
  const { trustDomain, workloads, svidTtlMs } = command
  const ended = Promise.race([once(signals, 'SIGINT'), once(signals, 'SIGTERM')])
  // Loaded here, because the other commands do not need the authority.
  const { Authority } = await import('@fastify-spiffe/authority')
  await using authority = await Authority.create({ trustDomain, svidTtlMs })
  await using directory = await openDirectory(command.directory)
  stderr.write(warning)
  for (const spiffeId of workloads) {
    const socketPath = socketPathOf(directory.path, spiffeId)
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
    const endpoint = await authority.serve({ spiffeId, socketPath })
    stdout.write(`# ${spiffeId.toString()}\nSPIFFE_ENDPOINT_SOCKET=${endpoint.address}\n`)
  }
  stderr.write('\n  Press Ctrl-C to stop.\n')
  await ended
}

/** The path of a socket is that of its SPIFFE ID, whose segments are never `.` or `..`. */
function socketPathOf(directory: string, id: SpiffeId): string {
  return join(directory, `${id.segments.join('/')}.sock`)
}

interface Directory extends AsyncDisposable {
  readonly path: string
}

async function openDirectory(given: string | undefined): Promise<Directory> {
  if (given !== undefined) return { path: resolve(given), [Symbol.asyncDispose]: async () => {} }
  const path = await mkdtemp(join(tmpdir(), 'fastify-spiffe-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
