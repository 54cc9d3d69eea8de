import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { DevCommand } from './command.ts'

const warning = `
  *** DEVELOPMENT ONLY ***  This authority attests nobody: whoever opens a socket below has
  its identity. Its keys live in memory and end with it. Trust it with nothing of value.

`

/** Runs the embedded authority until SIGINT or SIGTERM. */
export const dev = async (command: DevCommand): Promise<void> => {
  const { trustDomain, workloads, svidTtlMs } = command
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  // Loaded here alone: the other commands must not pay for the authority.
  const { Authority } = await import('@fastify-spiffe/authority')
  await using authority = await Authority.create({ trustDomain, svidTtlMs })
  await using directory = await openDirectory(command.directory)
  process.stderr.write(warning)
  for (const spiffeId of workloads) {
    const socketPath = socketPathOf(directory.path, spiffeId)
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
    const endpoint = await authority.serve({ spiffeId, socketPath })
    process.stdout.write(`# ${spiffeId.toString()}\nSPIFFE_ENDPOINT_SOCKET=${endpoint.address}\n`)
  }
  process.stderr.write('\n  Ctrl-C ends it.\n')
  await ended
}

/** The sockets mirror the paths of their SPIFFE IDs, whose segments are never `.` or `..`. */
const socketPathOf = (directory: string, id: SpiffeId): string =>
  join(directory, `${id.segments.join('/')}.sock`)

interface Directory extends AsyncDisposable {
  readonly path: string
}

const openDirectory = async (given: string | undefined): Promise<Directory> => {
  if (given !== undefined) return { path: resolve(given), [Symbol.asyncDispose]: async () => {} }
  const path = await mkdtemp(join(tmpdir(), 'fastify-spiffe-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
