import { readFile, stat } from 'node:fs/promises'
import type { CommandContext } from './context.ts'
import type { TufCommand } from './tuf-command.ts'

/** A target is a bundle or a policy: no larger than a client takes. */
const MAX_BYTES = 16 * 1024 * 1024

/** Makes a repository of The Update Framework, publishes targets, or replaces keys. */
export async function tuf(command: TufCommand, { stdout }: CommandContext): Promise<void> {
  // Loaded here, because the other commands do not need it.
  const { TufRepository } = await import('@fastify-spiffe/tuf-source/repository')
  const { directory, keys } = command
  switch (command.action) {
    case 'init': {
      const { rootKeys, rootCount, rootThreshold } = command
      const repository = await TufRepository.open({ directory, keys, rootKeys })
      const root = await repository.init({ count: rootCount, threshold: rootThreshold })
      stdout.write(`${root.sha256}  ${root.file}\n`)
      stdout.write(
        `Give this root and its SHA-256 to the services, and take ${rootKeys} offline.\n`,
      )
      return
    }
    case 'publish': {
      const lifetimes = { timestamp: command.timestampTtlMs }
      const repository = await TufRepository.open({ directory, keys, lifetimes })
      const add = new Map<string, Buffer>()
      for (const [path, file] of command.add) add.set(path, await readTarget(file))
      await repository.publish({ add, remove: command.remove })
      stdout.write(`published ${add.size}, removed ${command.remove.length}\n`)
      return
    }
    case 'rotate': {
      const { rootKeys, role } = command
      const repository = await TufRepository.open({ directory, keys, rootKeys })
      const root = await repository.rotate(role)
      stdout.write(`${root.sha256}  ${root.file}\n`)
    }
  }
}

async function readTarget(file: string): Promise<Buffer> {
  if ((await stat(file)).size > MAX_BYTES) throw new Error(`${file} is larger than 16 MiB`)
  return readFile(file)
}
