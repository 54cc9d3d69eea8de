import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { FederationError } from '@fastify-spiffe/federation'
import { PrivateDirectory } from '@fastify-spiffe/federation/internal'
import { TufError } from '../errors.ts'
import { ProcessLock } from './process-lock.ts'
import {
  readRecord,
  recordOf,
  sha256,
  writeRecord,
  type State,
  type StateRecord,
  type StoredTarget,
} from './state.ts'

const RECORD = 'state.json'
const MAX_RECORD_BYTES = 4 * 1024 * 1024
/** What no file of a state is larger than. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
const STATE = /^state-(\d{1,15})$/
const LEFT_OVER = /^(?:staging-|\.[0-9a-f-]{36}\.tmp$|lock\..*\.tmp$)/
const QUARANTINE = 'quarantine'

/**
 * A directory with the last state: a folder `state-N` that is complete from the moment on at which it has its name. A new
 * state is written to a folder beside it, and renamed. So there is the one or the other, whenever the process is killed.
 */
export class StateStore {
  readonly #directory: PrivateDirectory
  readonly #lock: ProcessLock
  /** The number of the folder that is in use; 0 when there is none. */
  #number = 0
  #files: StateRecord | null = null

  private constructor(directory: PrivateDirectory, lock: ProcessLock) {
    this.#directory = directory
    this.#lock = lock
  }

  /** @throws {@link TufError} `unsafe-directory`, `directory-in-use` */
  static async open(path: string, setTimer: SetTimer): Promise<StateStore> {
    try {
      const directory = await PrivateDirectory.open(path)
      const lock = await ProcessLock.acquire(directory.path, setTimer)
      return new StateStore(directory, lock)
    } catch (cause) {
      if (cause instanceof TufError) throw cause
      // Of the directory, which says what is wrong with it.
      const message =
        cause instanceof FederationError
          ? cause.message
          : `the directory cannot be used: ${describeCause(cause)}`
      throw new TufError('unsafe-directory', message, { cause })
    }
  }

  get path(): string {
    return this.#directory.path
  }

  /**
   * Reads the state; `null` when there is none.
   * @throws {@link TufError} `corrupt-state`, after what is damaged was set aside
   */
  async read(): Promise<State | null> {
    const names = await readdir(this.path)
    const leftOver = names.filter((name) => LEFT_OVER.test(name))
    await Promise.all(leftOver.map((name) => this.#remove(name)))
    const numbers = names.flatMap((name) => STATE.exec(name)?.[1] ?? []).map(Number)
    this.#number = Math.max(0, ...numbers)
    if (this.#number === 0) return null
    try {
      const state = await this.#load(this.#folder)
      await this.#removeOlder()
      return state
    } catch (cause) {
      await this.#quarantine()
      const message = `what is stored is damaged (${describeCause(cause)}), and was set aside`
      throw new TufError('corrupt-state', message, { cause })
    }
  }

  /**
   * Puts a state in the place of the one before.
   * @throws {@link TufError} `store-failed`, `directory-in-use`
   */
  async write(state: State): Promise<void> {
    const record = recordOf(state)
    try {
      await this.#lock.assertHeld()
      if (this.#files !== null && hasSameFiles(record, this.#files)) await this.#touch(record)
      else await this.#replace(state, record)
      this.#files = record
    } catch (cause) {
      if (cause instanceof TufError) throw cause
      const message = `the state was not stored (${describeCause(cause)})`
      throw new TufError('store-failed', message, { cause })
    }
  }

  /** Ends the use of the directory. */
  async close(): Promise<void> {
    await this.#lock.release()
  }

  get #folder(): string {
    return `state-${this.#number}`
  }

  async #load(folder: string): Promise<State> {
    const text = await this.#readFile(join(folder, RECORD), MAX_RECORD_BYTES)
    const record = readRecord(text.toString('utf8'))
    const metadata = new Map<string, Buffer>()
    for (const [role, entry] of record.metadata) {
      metadata.set(role, await this.#verified(folder, metadataFile(role), entry.sha256))
    }
    const targets = new Map<string, StoredTarget>()
    for (const [path, { sha256: digest, version, verifiedAt }] of record.targets) {
      const bytes = await this.#verified(folder, targetFile(path), digest)
      targets.set(path, { bytes, version, verifiedAt })
    }
    this.#files = record
    return { ...record, metadata, targets }
  }

  async #verified(folder: string, name: string, digest: string): Promise<Buffer> {
    const bytes = await this.#readFile(join(folder, name), MAX_FILE_BYTES)
    if (sha256(bytes) === digest) return bytes
    throw new TypeError('another hash')
  }

  async #readFile(name: string, maxBytes: number): Promise<Buffer> {
    const bytes = await this.#directory.read(name, maxBytes)
    if (bytes !== null) return bytes
    throw new TypeError('a file is missing')
  }

  /** The same files at another time. */
  async #touch(record: StateRecord): Promise<void> {
    await this.#directory.write(join(this.#folder, RECORD), writeRecord(record))
  }

  async #replace(state: State, record: StateRecord): Promise<void> {
    const staging = join(this.path, `staging-${randomUUID()}`)
    try {
      await mkdir(staging, { mode: 0o700 })
      for (const [role, bytes] of state.metadata) {
        await writeSynced(join(staging, metadataFile(role)), bytes)
      }
      for (const [path, { bytes }] of state.targets) {
        await writeSynced(join(staging, targetFile(path)), bytes)
      }
      await writeSynced(join(staging, RECORD), writeRecord(record))
      await syncFolder(staging)
      await rename(staging, join(this.path, `state-${this.#number + 1}`))
    } catch (cause) {
      // What cannot be removed now is removed at the next start.
      await rm(staging, { recursive: true, force: true }).catch(() => {})
      throw cause
    }
    this.#number++
    await syncFolder(this.path)
    await this.#removeOlder()
  }

  async #removeOlder(): Promise<void> {
    const names = await readdir(this.path).catch(() => [])
    const older = names.filter((name) => STATE.test(name) && name !== this.#folder)
    await Promise.all(older.map((name) => this.#remove(name)))
  }

  /** Keeps what was damaged for people to look at; of several, the last. */
  async #quarantine(): Promise<void> {
    await this.#remove(QUARANTINE)
    const from = join(this.path, this.#folder)
    await rename(from, join(this.path, QUARANTINE)).catch(() => this.#remove(this.#folder))
    await this.#removeOlder()
    // The number is not used again.
    this.#files = null
  }

  async #remove(name: string): Promise<void> {
    await rm(join(this.path, name), { recursive: true, force: true }).catch(() => {})
  }
}

/** The name of a role is whatever its delegator says. */
function metadataFile(role: string): string {
  return /^[a-z]{1,40}$/.test(role) ? `${role}.json` : `role-${sha256(role)}.json`
}

function targetFile(path: string): string {
  return `target-${sha256(path)}`
}

function hasSameFiles(one: StateRecord, other: StateRecord): boolean {
  return describeFiles(one) === describeFiles(other)
}

function describeFiles({ metadata, targets }: StateRecord): string {
  const files = [metadata, targets].map((each) =>
    Array.from(each, ([name, file]) => [name, file.sha256]),
  )
  return JSON.stringify(files)
}

async function writeSynced(path: string, content: Buffer | string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
