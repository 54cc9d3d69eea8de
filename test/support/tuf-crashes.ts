import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  TufBundleSource,
  type SignedFile,
  type TufBundleSourceOptions,
} from '@fastify-spiffe/tuf-source'
import { TufRepository } from '@fastify-spiffe/tuf-source/repository'

const FOLLOWERS = fileURLToPath(new URL('tuf-followers.js', import.meta.url))
const PADDING = 'x'.repeat(20_000)

/** What became of states whose process was killed. */
export interface CrashReport {
  /** How many states were looked at after a kill. */
  readonly kills: number
  /** How many of them had a folder that was not finished. */
  readonly unfinished: number
  /** What was wrong. */
  readonly broken: readonly string[]
}

/**
 * Kills processes with several sources each at random moments of their refreshes, while the repository changes all the
 * time, and looks after each kill at what a source begins with that does not reach the repository.
 */
export async function crashSources(rounds: number, sourcesPerRound: number): Promise<CrashReport> {
  const folder = await mkdtemp(join(tmpdir(), 'tuf-crashes-'))
  await using publisher = await Publisher.open(folder)
  const all = Array.from({ length: sourcesPerRound }, (_, index) =>
    publisher.optionsOf(join(folder, `source-${index}`)),
  )
  const before = all.map(() => 0)
  const broken: string[] = []
  let unfinished = 0
  try {
    for (let round = 0; round < rounds; round++) {
      await killOnce(all, publisher, round)
      publisher.isDown = true
      for (const [index, options] of all.entries()) {
        unfinished += await countUnfinished(options.directory)
        const found = await look(options, before[index] ?? 0)
        if (typeof found === 'string') broken.push(`round ${round}, source ${index}: ${found}`)
        else before[index] = found
      }
      publisher.isDown = false
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  return { kills: rounds * sourcesPerRound, unfinished, broken }
}

async function killOnce(
  all: readonly TufBundleSourceOptions[],
  publisher: Publisher,
  round: number,
): Promise<void> {
  const child = fork(FOLLOWERS, [JSON.stringify(all)], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const ready = once(child, 'message')
  // Some are killed while they are opened: after the first round, there is something to begin with.
  const start = round % 4 === 3 ? setTimeout(Math.random() * 600) : ready
  await Promise.race([start, ended])
  for (let count = 0; count < 1 + Math.random() * 3; count++) await publisher.publish()
  await setTimeout(Math.random() * 60)
  child.kill('SIGKILL')
  await ended
}

async function countUnfinished(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => [])
  return names.some((name) => name.startsWith('staging-')) ? 1 : 0
}

/** The number of the publication that a source begins with; a text if that is broken. */
async function look(options: TufBundleSourceOptions, least: number): Promise<number | string> {
  await using source = await TufBundleSource.open({ ...options, openTimeoutMs: 0 })
  const { lastFailure } = source.status
  if (lastFailure?.code === 'corrupt-state') return lastFailure.message
  const files = (options.files ?? []).flatMap((path) => source.file(path) ?? [])
  if (files.length === 0 && least === 0) return 0
  if (files.length !== options.files?.length) return 'a file is gone'
  for (const { location, bytes } of files) {
    if (!(await readFile(location)).equals(bytes)) return 'a copy is another one'
  }
  return numberOf(files, least)
}

function numberOf(files: readonly SignedFile[], least: number): number | string {
  const numbers = files.map(({ bytes }) => Number(String(bytes).split(' ')[0]))
  const [one = 0] = numbers
  if (numbers.some((other) => other !== one)) return `the files are of ${numbers.join(' and ')}`
  return one < least ? `it went back from ${least} to ${one}` : one
}

/** A repository on loopback that changes. */
class Publisher implements AsyncDisposable {
  isDown = false
  readonly #repository: TufRepository
  readonly #server
  readonly #root: { readonly file: string; readonly sha256: string }
  #count = 0

  private constructor(
    repository: TufRepository,
    root: { readonly file: string; readonly sha256: string },
    www: string,
  ) {
    this.#repository = repository
    this.#root = root
    this.#server = createServer(({ url = '' }, response) => {
      const answer = this.isDown ? Promise.reject(new Error('down')) : readFile(join(www, url))
      answer.then(
        (content) => response.end(content),
        () => response.writeHead(this.isDown ? 503 : 404).end(),
      )
    })
  }

  static async open(folder: string): Promise<Publisher> {
    const www = join(folder, 'www')
    const repository = await TufRepository.open({
      directory: www,
      keys: join(folder, 'keys'),
      rootKeys: join(folder, 'root-keys'),
    })
    const root = await repository.init()
    const publisher = new Publisher(repository, root, www)
    await publisher.publish()
    publisher.#server.listen(0, '127.0.0.1')
    await once(publisher.#server, 'listening')
    return publisher
  }

  optionsOf(directory: string): TufBundleSourceOptions {
    const { port } = this.#server.address() as AddressInfo
    const { file, sha256 } = this.#root
    const metadataUrl = `http://127.0.0.1:${port}/metadata/`
    return { metadataUrl, root: { file, sha256 }, directory, files: ['a.txt', 'b.txt'] }
  }

  /** Publishes both files with the next number. */
  async publish(): Promise<void> {
    const content = Buffer.from(`${++this.#count} ${PADDING}`)
    await this.#repository.publish({
      add: new Map([
        ['a.txt', content],
        ['b.txt', content],
      ]),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
