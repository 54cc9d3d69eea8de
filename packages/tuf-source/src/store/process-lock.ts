import { randomUUID } from 'node:crypto'
import { readFile, readlink, rename, rm, stat, utimes, writeFile, link } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { types } from 'node:util'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { TufError } from '../errors.ts'

const NAME = 'lock'
/** A holder touches its lock as often as this. */
const BEAT_MS = 10_000
/** A lock that nobody has touched for so long is nobody's, if its holder cannot be asked. */
const LEASE_MS = 60_000
const ATTEMPTS = 5

/** Who holds a lock. */
interface Holder {
  readonly id: string
  readonly pid: number
  /** Where the process ID means something: the host, and on Linux the namespace. */
  readonly namespace: string
  /** When the process began, in ticks since the system did; empty where the system does not say. */
  readonly startedAt: string
}

/**
 * Keeps a directory for one process. A process that was killed leaves its lock behind; another one of the same machine
 * sees at once that it is gone, one of another machine or container after a minute.
 */
export class ProcessLock {
  readonly #path: string
  readonly #id: string
  readonly #setTimer: SetTimer
  #cancelBeat = (): void => {}

  private constructor(path: string, id: string, setTimer: SetTimer) {
    this.#path = path
    this.#id = id
    this.#setTimer = setTimer
    this.#scheduleBeat()
  }

  /** @throws {@link TufError} `directory-in-use`, or what the file system throws */
  static async acquire(directory: string, setTimer: SetTimer): Promise<ProcessLock> {
    const path = join(directory, NAME)
    const holder = await self()
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await create(path, holder)) return new ProcessLock(path, holder.id, setTimer)
      await removeIfAbandoned(path, holder.namespace)
    }
    throw inUse()
  }

  /**
   * Whether the lock is still ours. A process that was stopped for longer than a minute may have lost it.
   * @throws {@link TufError} `directory-in-use`
   */
  async assertHeld(): Promise<void> {
    if ((await read(this.#path))?.id !== this.#id) throw inUse()
  }

  async release(): Promise<void> {
    this.#cancelBeat()
    if ((await read(this.#path))?.id === this.#id) await rm(this.#path, { force: true })
  }

  #scheduleBeat(): void {
    this.#cancelBeat = this.#setTimer(() => {
      const now = new Date()
      utimes(this.#path, now, now).catch(() => {})
      this.#scheduleBeat()
    }, BEAT_MS)
  }
}

/** Makes the lock with all its content in one step. Returns `false` if there is one. */
async function create(path: string, holder: Holder): Promise<boolean> {
  const temporary = `${path}.${holder.id}.tmp`
  try {
    await writeFile(temporary, JSON.stringify(holder), { flag: 'wx', mode: 0o600 })
    await link(temporary, path)
    return true
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return false
    throw cause
  } finally {
    await rm(temporary, { force: true })
  }
}

async function removeIfAbandoned(path: string, namespace: string): Promise<void> {
  const found = await read(path)
  if (found !== null && !(await isAbandoned(path, found, namespace))) throw inUse()
  if (found === null && (await ageOf(path)) < LEASE_MS) return
  // What is moved away is looked at once more: meanwhile another process may have done the same.
  const aside = `${path}.${randomUUID()}.tmp`
  try {
    await rename(path, aside)
    const moved = await read(aside)
    if (moved !== null && moved.id !== found?.id) await link(aside, path)
  } catch (cause) {
    if (!['ENOENT', 'EEXIST'].includes(String(codeOf(cause)))) throw cause
  } finally {
    await rm(aside, { force: true })
  }
}

async function isAbandoned(path: string, holder: Holder, namespace: string): Promise<boolean> {
  if (holder.namespace !== namespace) return (await ageOf(path)) >= LEASE_MS
  if (!isAlive(holder.pid)) return true
  // The system may have given the number to another process.
  return holder.startedAt !== (await startOf(holder.pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return codeOf(cause) !== 'ESRCH'
  }
}

async function self(): Promise<Holder> {
  const { pid } = process
  const inode = await readlink('/proc/self/ns/pid').catch(() => '')
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  const namespace = [hostname(), inode, boot.trim()].join(' ')
  return { id: randomUUID(), pid, namespace, startedAt: await startOf(pid) }
}

/** Field 22 of proc(5) `stat`; the name before it may hold anything. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

async function read(path: string): Promise<Holder | null> {
  try {
    const value = parseJson(await readFile(path, 'utf8'), { maxLength: 4096, maxDepth: 4 })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `isHolder` looks at all of it
    return isHolder(value) ? (value as Holder) : null
  } catch {
    return null
  }
}

function isHolder(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const found = ['id', 'pid', 'namespace', 'startedAt'].map((key) => typeof Reflect.get(value, key))
  const pid: unknown = Reflect.get(value, 'pid')
  // 0 and negative numbers are groups of processes.
  return (
    found.join(' ') === 'string number string string' && Number.isInteger(pid) && Number(pid) > 0
  )
}

/** How long ago the file was touched, in ms: by the clock of files, which has nothing to do with that of the source. */
async function ageOf(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch {
    return 0
  }
}

function codeOf(cause: unknown): unknown {
  return types.isNativeError(cause) ? Reflect.get(cause, 'code') : undefined
}

function inUse(): TufError {
  const message = 'another process uses the directory: give each process one of its own'
  return new TufError('directory-in-use', message)
}
