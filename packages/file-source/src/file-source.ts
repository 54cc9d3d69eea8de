import { pathToFileURL } from 'node:url'
import { FileWatcher } from '@fastify-spiffe/files'
import type {
  BundleSet,
  JwtBundle,
  JwtBundleSource,
  SourceState,
  WaitOptions,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import {
  ExpiryMonitor,
  publishRejection,
  Updates,
  type InitialSync,
  type Problems,
} from '@fastify-spiffe/spiffe/internal'
import { FileSourceError, toFileSourceError } from './errors.ts'
import type { FileSourceOptions } from './options/options.ts'
import { readOptions, type Settings } from './options/settings.ts'
import { MaterialReader } from './state/material-reader.ts'
import { initialSync, problemsOf, publishDifference, warnUnwatched } from './state/events.ts'
import { OpenScope } from './state/open-scope.ts'
import { Retry } from './state/retry.ts'
import { accept, asOf, differ, interrupt, STARTING, type Snapshot } from './state/snapshot.ts'

/**
 * The workload's X.509-SVID and bundles, live from files that another program writes and replaces.
 *
 * It watches the folders of the files, and looks at the files every two seconds beside that. A set of files is taken when two
 * reads of all of it agree, the key is that of the certificate, and the SVID verifies against the bundle of its trust domain.
 * Then it replaces everything that was held. Files that are half-written, gone or unsafe change nothing: they are published on
 * `node:diagnostics_channel` and read again, and the last good state stays in use. The states are those of {@link SourceState};
 * `denied` and `failed` are not among them.
 */
export class FileSource implements X509MaterialSource, JwtBundleSource {
  readonly #settings: Settings
  readonly #updates = new Updates()
  readonly #closing = new AbortController()
  readonly #reader: MaterialReader
  readonly #watcher: FileWatcher
  readonly #expiryMonitor: ExpiryMonitor
  readonly #initialSync: InitialSync<FileSourceError> = initialSync()
  readonly #problems: Problems<FileSourceError>
  readonly #retry = new Retry()
  #held: Snapshot = STARTING
  /** The snapshot that listeners know. */
  #published: Snapshot = STARTING
  #cancelRetry: (() => void) | undefined
  #reading: Promise<void> | undefined
  #isDue = false

  private constructor(settings: Settings) {
    const { clock, setTimer, onProblem } = settings
    this.#settings = settings
    this.#problems = problemsOf(this.endpoint, onProblem)
    this.#reader = new MaterialReader(settings, this.#closing.signal)
    this.#expiryMonitor = new ExpiryMonitor({
      clock,
      setTimer,
      onTick: () => this.#publish(),
      onRenewalOverdue: () => this.#readSoon(),
    })
    this.#watcher = new FileWatcher(this.#reader.paths, {
      onChange: () => this.#readSoon(),
      onUnavailable: warnUnwatched,
      setTimer,
    })
    this.#readSoon()
  }

  /**
   * Reads the files, and waits for the first good set of them: for files that do not exist yet, are half-written or unsafe,
   * and for an SVID that is not valid yet, until `timeoutMs` has passed. The error says what was wrong last.
   *
   * @throws {@link FileSourceError} at once `unknown-option`, `invalid-option`, `aborted`; after `timeoutMs` the code of the
   *   last failure, such as `unreadable`, `key-exposed` or `key-mismatch`, and `timeout` when the file system did not answer
   */
  static async open(options: FileSourceOptions): Promise<FileSource> {
    const settings = readOptions(options)
    using scope = new OpenScope(settings)
    scope.signal.throwIfAborted()
    const source = new FileSource(settings)
    try {
      await source.#initialSync.wait(scope.signal)
      return source
    } catch (error) {
      await source.close()
      throw error
    } finally {
      source.#problems.opened()
    }
  }

  get svid(): X509Svid | null {
    // Reads the clock, because a timer may be late, such as after the machine slept.
    return this.#present.svid
  }

  get bundles(): BundleSet {
    return this.#held.bundles
  }

  /** The bundles for JWT-SVIDs, as far as the files are SPIFFE bundles or a Bundle Map. */
  get jwtBundles(): BundleSet<JwtBundle> {
    return this.#held.jwtBundles
  }

  get state(): SourceState {
    return this.#present.state
  }

  /** Why the source is not `ready`; `null` when it is. */
  get error(): FileSourceError | null {
    return this.#held.error
  }

  /** The URL of the file with the SVID. */
  get endpoint(): string {
    return pathToFileURL(this.#settings.files.svid.path).href
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** Reads the files now, as they are read whenever they change, and resolves when that is done. */
  async refresh(): Promise<void> {
    this.#readSoon()
    await this.#reading
  }

  async close(): Promise<void> {
    if (this.#held.state !== 'closed') {
      this.#watcher.close()
      this.#expiryMonitor.set(null)
      this.#cancelRetry?.()
      this.#transition({ ...this.#held, state: 'closed' })
      this.#closing.abort(new FileSourceError('closed', 'the source is closed'))
      this.#updates.close()
    }
    await this.#reader.idle()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** One read at a time: a file system that hangs is not asked again. */
  #readSoon(): void {
    if (this.#held.state === 'closed') return
    this.#isDue = true
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined
    })
  }

  async #readAll(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false
      await this.#readOnce()
    }
  }

  async #readOnce(): Promise<void> {
    const { clock } = this.#settings
    const { bundles: x509, jwtBundles: jwt } = this.#held
    try {
      const { material, isNew } = await this.#reader.read({ x509, jwt })
      if (isNew) for (const error of material.problems) this.#reject('bundle', error)
      this.#transition(accept(this.#held, material, clock()))
      this.#scheduleRetry(true)
    } catch (cause) {
      this.#refuse(toFileSourceError(cause))
      this.#scheduleRetry(false)
    }
  }

  #refuse(error: FileSourceError): void {
    const { state, error: known } = this.#held
    if (state === 'closed' || (state === 'ready' && this.#retry.isPassing(error))) return
    // The same problem is met with each retry.
    if (known?.code !== error.code || known.message !== error.message) {
      this.#reject(isOfBundle(error) ? 'bundle' : 'svid', error)
    }
    this.#transition(interrupt(this.#held, error))
  }

  #reject(part: 'svid' | 'bundle', error: FileSourceError): void {
    publishRejection(this.endpoint, { part, error })
  }

  #scheduleRetry(isGood: boolean): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    const { state, validFrom } = this.#held
    if (state === 'closed') return
    if (isGood) this.#retry.reset()
    if (isGood && validFrom === Infinity) return
    const { clock, setTimer } = this.#settings
    const delayMs = isGood ? Retry.until(validFrom, clock()) : this.#retry.next()
    this.#cancelRetry = setTimer(() => this.#readSoon(), delayMs)
  }

  get #present(): Snapshot {
    return asOf(this.#held, this.#settings.clock())
  }

  #transition(next: Snapshot): void {
    const before = this.#held
    if (before.state === 'closed') return
    this.#held = next
    if (next.svid !== before.svid) this.#expiryMonitor.set(next.svid)
    this.#publish()
  }

  #publish(): void {
    const before = this.#published
    const present = this.#present
    this.#published = present
    this.#initialSync.onSnapshot({ isUsable: present.svid !== null, error: present.error })
    publishDifference(this.endpoint, before, present)
    if (differ(before, present)) this.#updates.notify()
    this.#problems.onSnapshot(present)
  }
}

function isOfBundle({ code }: FileSourceError): boolean {
  return code === 'invalid-bundle' || code === 'conflicting-bundles'
}
