import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Authority } from '@fastify-spiffe/authority'
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
  const { workloads } = command
  const ended = Promise.race([once(signals, 'SIGINT'), once(signals, 'SIGTERM')])
  await using authorities = await openAuthorities(command)
  await using directory = await openDirectory(command.directory)
  stderr.write(warning)
  for (const spiffeId of workloads) {
    const socketPath = socketPathOf(command, directory.path, spiffeId)
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
    const endpoint = await authorities.of(spiffeId).serve({ spiffeId, socketPath })
    stdout.write(`# ${spiffeId.toString()}\nSPIFFE_ENDPOINT_SOCKET=${endpoint.address}\n`)
  }
  stderr.write('\n  Press Ctrl-C to stop.\n')
  await ended
}

interface Authorities extends AsyncDisposable {
  /** That of the trust domain of a workload. */
  of(workload: SpiffeId): Authority
}

/** Opens an authority for each trust domain; all of them federate with each other. */
async function openAuthorities({
  trustDomain,
  federated,
  svidTtlMs,
}: DevCommand): Promise<Authorities> {
  // Loaded here, because the other commands do not need the authority.
  const { Authority } = await import('@fastify-spiffe/authority')
  const opened = new Map<string, Authority>()
  for (const each of [trustDomain, ...federated]) {
    const authority = await Authority.create({ trustDomain: each, svidTtlMs })
    for (const other of opened.values()) {
      other.federate(authority)
      authority.federate(other)
    }
    opened.set(each.name, authority)
  }
  return {
    of: (workload) => opened.get(workload.trustDomain.name)!,
    async [Symbol.asyncDispose]() {
      for (const authority of opened.values()) await authority.close()
    },
  }
}

/**
 * The path of a socket is that of its SPIFFE ID, whose segments are never `.` or `..`; with several trust domains, in a
 * folder of its trust domain.
 */
function socketPathOf({ federated }: DevCommand, directory: string, id: SpiffeId): string {
  const folder = federated.length === 0 ? '' : id.trustDomain.name
  return join(directory, folder, `${id.segments.join('/')}.sock`)
}

interface Directory extends AsyncDisposable {
  readonly path: string
}

async function openDirectory(given: string | undefined): Promise<Directory> {
  if (given !== undefined) return { path: resolve(given), [Symbol.asyncDispose]: async () => {} }
  const path = await mkdtemp(join(tmpdir(), 'fastify-spiffe-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
