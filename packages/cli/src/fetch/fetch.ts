import { once } from 'node:events'
import { resolve } from 'node:path'
import { FileSetWriter } from '@fastify-spiffe/files'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { describeCause, TaskQueue } from '@fastify-spiffe/spiffe/internal'
import type { CommandContext } from '../context.ts'
import { contentsOf } from './contents.ts'
import type { FetchCommand } from './read-fetch.ts'
import { signalProcess } from './signal-process.ts'

/** When a write that failed is tried again, in ms: the disk may be full. */
const RETRY_MS = 5_000

/** Writes the SVID, its key and its bundle to files; with `--watch` each renewal, until SIGINT or SIGTERM. */
export async function fetchToFiles(command: FetchCommand, context: CommandContext): Promise<void> {
  const { signals } = context
  const ending = new AbortController()
  const ended = Promise.race([once(signals, 'SIGINT', ending), once(signals, 'SIGTERM', ending)])
  // Loaded here, because the other commands do not need gRPC.
  const { X509Source } = await import('@fastify-spiffe/workload-api')
  const { address, pick, timeoutMs } = command
  try {
    await using source = await X509Source.open({
      timeoutMs,
      ...(address !== undefined && { address }),
      ...(pick !== undefined && { pick }),
      onProblem: ({ message }) => context.stderr.write(`fastify-spiffe: ${message}\n`),
    })
    const files = await FileSet.open(command, context, source)
    await files.write()
    if (command.isWatching) await follow(files, source, ended)
  } finally {
    ending.abort()
    await ended.catch(() => undefined)
  }
}

async function follow(
  files: FileSet,
  source: X509MaterialSource,
  ended: Promise<unknown>,
): Promise<void> {
  const queue = new TaskQueue()
  let retry: NodeJS.Timeout | undefined
  const writeSoon = (): void => {
    clearTimeout(retry)
    void queue.run(async () => {
      const isWritten = await files.tryToWrite()
      if (!isWritten) retry = setTimeout(writeSoon, RETRY_MS)
    })
  }
  const unsubscribe = source.onUpdate(writeSoon)
  await ended.catch(() => undefined)
  unsubscribe()
  await queue.run(async () => clearTimeout(retry))
}

/** The files of one source. */
class FileSet {
  readonly #command: FetchCommand
  readonly #context: CommandContext
  readonly #source: X509MaterialSource
  readonly #writer: FileSetWriter
  #written = ''

  private constructor(
    command: FetchCommand,
    context: CommandContext,
    source: X509MaterialSource,
    writer: FileSetWriter,
  ) {
    this.#command = command
    this.#context = context
    this.#source = source
    this.#writer = writer
  }

  static async open(
    command: FetchCommand,
    context: CommandContext,
    source: X509MaterialSource,
  ): Promise<FileSet> {
    const writer = await FileSetWriter.open(resolve(command.directory))
    return new FileSet(command, context, source, writer)
  }

  /** Writes what is new, and signals the process. Without an SVID to present, the files stay as they are. */
  async write(): Promise<void> {
    const contents = contentsOf(this.#source, this.#command.withBundleMap)
    if (contents === null) return
    const content = [...contents.values()].join('')
    if (content === this.#written) return
    await this.#writer.write(contents)
    this.#written = content
    this.#context.stdout.write(
      `${String(this.#source.svid)}, written to ${this.#command.directory}\n`,
    )
    await this.#signal()
  }

  /** The same, and a failure is told of. Resolves with whether there was none. */
  async tryToWrite(): Promise<boolean> {
    try {
      await this.write()
      return true
    } catch (error) {
      this.#complain(
        error instanceof Error && !('code' in error) ? error.message : describeCause(error),
      )
      return false
    }
  }

  async #signal(): Promise<void> {
    const { target } = this.#command
    if (target === null) return
    await signalProcess(target).catch((error: Error) => this.#complain(error.message))
  }

  #complain(message: string): void {
    this.#context.stderr.write(`fastify-spiffe: ${message}\n`)
  }
}
