import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { asTufError } from './client/update.ts'
import { TufError } from './errors.ts'
import { HeldTargets } from './held-targets.ts'
import { TrustedSet } from './metadata/trusted-set.ts'
import type { Settings } from './options.ts'
import { Failures } from './source-state.ts'
import type { SignedFile, TufFailure } from './status.ts'
import { FileCopies } from './store/file-copies.ts'
import { StateStore } from './store/state-store.ts'
import type { State, StoredTarget } from './store/state.ts'

/** Clocks of machines are set right by so much all the time. */
const CLOCK_TOLERANCE_MS = 60_000

type Times = Pick<State, 'pin' | 'verifiedAt' | 'latestTime' | 'timestampSince'>

/** All that a source knows: verified metadata, targets, times and failures, in memory and in its directory. */
export class Known {
  readonly held: HeldTargets
  readonly failures: Failures = new Failures()
  /** What was found wrong at the start. */
  readonly beginningFailures: TufFailure[] = []
  readonly #clock: () => number
  readonly #store: StateStore
  readonly #copies: FileCopies
  #metadata: ReadonlyMap<string, Buffer>
  #record: Times
  #rootVersion: number | null = null
  #timestamp: TrustedSet['timestamp'] = null
  #storeFailure: TufFailure | null = null
  #isStored = false
  #isSetBack = false

  private constructor(settings: Settings, store: StateStore, copies: FileCopies, root: Buffer) {
    this.held = new HeldTargets(settings)
    this.#clock = settings.clock
    this.#store = store
    this.#copies = copies
    this.#metadata = new Map([['root', root]])
    const { sha256: pin } = settings.root
    this.#record = { pin, verifiedAt: null, latestTime: 0, timestampSince: 0 }
  }

  /** @throws {@link TufError} `unsafe-directory`, `directory-in-use` */
  static async open(settings: Settings, root: Buffer): Promise<Known> {
    const store = await StateStore.open(settings.directory, settings.setTimer)
    try {
      const known = new Known(settings, store, await openCopies(store.path), root)
      await known.#load()
      return known
    } catch (error) {
      await store.close()
      throw error
    }
  }

  get metadata(): ReadonlyMap<string, Buffer> {
    return this.#metadata
  }

  get record(): Times {
    return this.#record
  }

  get rootVersion(): number | null {
    return this.#rootVersion
  }

  get timestampVersion(): number | null {
    return this.#timestamp?.version ?? null
  }

  get timestampExpiresAt(): number | null {
    return this.#timestamp?.expiresAt ?? null
  }

  get storeFailure(): TufFailure | null {
    return this.#storeFailure
  }

  get isClockSetBack(): boolean {
    return this.#isSetBack
  }

  /** The time, or the latest one that was seen: what has expired does not live again because a clock was set back. */
  now(): number {
    return Math.max(this.#clock(), this.#record.latestTime)
  }

  /** Notices that the clock was set back. Returns the failure the first time. */
  checkClock(): TufFailure | null {
    const { latestTime } = this.#record
    const wasSetBack = this.#isSetBack
    this.#isSetBack = this.#clock() < latestTime - CLOCK_TOLERANCE_MS
    if (!this.#isSetBack || wasSetBack) return null
    const message = 'the clock is behind a time at which metadata was verified; that time counts'
    return this.#warn(new TufError('clock-set-back', message))
  }

  failure({ code, message }: TufError, target: string | null): TufFailure {
    return Object.freeze({ code, message, target, at: this.#clock() })
  }

  /** Takes metadata that was verified: all of it with a set, a part of it without. */
  takeMetadata(metadata: ReadonlyMap<string, Buffer>, set: TrustedSet | null): void {
    const isSame = haveSameContent(metadata, this.#metadata)
    const isNewTimestamp = metadata.get('timestamp') !== this.#metadata.get('timestamp')
    const now = this.now()
    this.#metadata = metadata
    if (!isSame || set !== null) this.#isStored = false
    if (isNewTimestamp) this.#record = { ...this.#record, timestampSince: now }
    if (set === null) return
    this.#rootVersion = set.rootVersion
    this.#timestamp = set.timestamp
    this.#record = { ...this.#record, verifiedAt: now, latestTime: now }
  }

  file(path: string): SignedFile | null {
    const content = this.held.isFile(path) ? this.held.content(path) : null
    if (content === null) return null
    const { bytes, version, sha256 } = content
    const location = this.#copies.location(path)
    return Object.freeze({ path, location, bytes: Buffer.from(bytes), version, sha256 })
  }

  /** Stores what is known, unless it is stored. Returns why it could not. */
  async store(): Promise<TufFailure | null> {
    if (this.#isStored) return null
    try {
      const targets = this.held.contents
      await this.#store.write({ ...this.#record, metadata: this.#metadata, targets })
      await this.#writeCopies()
      this.#isStored = true
      this.#storeFailure = null
      return null
    } catch (cause) {
      this.#storeFailure = this.failure(asStoreFault(cause), null)
      return this.#storeFailure
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #load(): Promise<void> {
    const state = await this.#read()
    if (state === null) return
    const { verifiedAt, latestTime, timestampSince, pin } = state
    const isSamePin = pin === this.#record.pin
    this.#record = { pin: this.#record.pin, verifiedAt: null, latestTime, timestampSince }
    const pinned = this.#metadata.get('root')
    this.#metadata = state.metadata
    // Another root was given: what the former one vouched for counts no more; versions that were seen still do.
    if (!isSamePin && pinned !== undefined) {
      this.#metadata = new Map([...state.metadata, ['root', pinned]])
      this.#rootVersion = null
      return
    }
    this.#record = { ...this.#record, verifiedAt }
    this.#isStored = true
    for (const [path, target] of state.targets) this.#takeStored(path, target)
    await this.#writeCopies().catch((cause: unknown) => {
      this.#storeFailure = this.failure(asStoreFault(cause), null)
    })
  }

  /** What is stored, if its root can be used. */
  async #read(): Promise<State | null> {
    try {
      const state = await this.#store.read()
      const root = state?.metadata.get('root')
      if (state === null || root === undefined) return null
      this.#rootVersion = new TrustedSet(root, state.latestTime).rootVersion
      return state
    } catch (cause) {
      const error = asTufError(cause)
      const { message } = error
      this.beginningFailures.push(this.#warn(new TufError('corrupt-state', message, { cause })))
      return null
    }
  }

  #takeStored(path: string, target: StoredTarget): void {
    if (!this.held.has(path)) return
    try {
      this.held.take(path, target, 'stored')
    } catch (cause) {
      // It was taken under other options.
      this.beginningFailures.push(this.failure(asTufError(cause), path))
    }
  }

  async #writeCopies(): Promise<void> {
    for (const path of this.held.paths) {
      const content = this.held.isFile(path) ? this.held.content(path) : null
      if (content !== null) await this.#copies.write(path, content.bytes)
    }
  }

  #warn(error: TufError): TufFailure {
    const failure = this.failure(error, null)
    this.failures.warn(failure)
    return failure
  }
}

async function openCopies(path: string): Promise<FileCopies> {
  try {
    return await FileCopies.open(path)
  } catch (cause) {
    const message = `the directory cannot be used: ${describeCause(cause)}`
    throw new TufError('unsafe-directory', message, { cause })
  }
}

function asStoreFault(cause: unknown): TufError {
  if (cause instanceof TufError) return cause
  return new TufError('store-failed', `a copy was not stored (${describeCause(cause)})`, { cause })
}

function haveSameContent(
  one: ReadonlyMap<string, Buffer>,
  other: ReadonlyMap<string, Buffer>,
): boolean {
  return (
    one.size === other.size && Array.from(one).every(([key, bytes]) => other.get(key) === bytes)
  )
}
