import { mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { randomUUID } from 'node:crypto'
import { TufError } from '../errors.ts'
import { sha256 } from '../store/state.ts'
import { holdsPrivateKey } from '../targets/private-key.ts'
import { KeyFolder } from './key-folder.ts'
import {
  fileEntry,
  ROLES,
  signedPart,
  type FileEntry,
  type IndexMetadata,
  type RoleKeys,
  type RoleName,
  type RootMetadata,
  type TargetsMetadata,
} from './metadata.ts'
import { assertTargetPath, DEFAULT_LIFETIMES, type Lifetimes } from './publish-options.ts'
import { signMetadata, type SigningKey } from './signing-key.ts'

/** Where a repository and its keys are. */
export interface RepositoryOptions {
  /** What a web server serves: the folders `metadata` and `targets`. Nothing is ever read from it. */
  readonly directory: string
  /** The keys of targets, snapshot and timestamp, and the metadata that was signed last. */
  readonly keys: string
  /** The keys of the root, which `init` and `rotate` need. Keep it offline. Default: none. */
  readonly rootKeys?: string
  /** Default: of roots a year, of targets 90 days, of snapshots a week, of timestamps a day. In ms. */
  readonly lifetimes?: Partial<Lifetimes>
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** How many keys the root of a new repository has. */
export interface RootKeyCount {
  /** Default 3. */
  readonly count?: number
  /** How many of them have to sign. Default 2. */
  readonly threshold?: number
}

/** What is published. */
export interface Publication {
  /** The octets of targets, by path. */
  readonly add?: ReadonlyMap<string, Uint8Array>
  /** Paths of targets that are no more. */
  readonly remove?: readonly string[]
}

/** A root to give to clients. */
export interface PublishedRoot {
  readonly version: number
  /** The file in the repository. */
  readonly file: string
  readonly sha256: string
}

const MAX_ROOT_KEYS = 50

/**
 * Makes and signs a repository for small sites and tests, with Ed25519 keys and consistent snapshots. What was signed last
 * is kept beside the keys: whoever can write to the web server's folder cannot make it sign something.
 */
export class TufRepository {
  readonly #directory: string
  readonly #keys: KeyFolder
  readonly #rootKeys: KeyFolder | null
  readonly #lifetimes: Lifetimes
  readonly #clock: () => number

  private constructor(options: RepositoryOptions, keys: KeyFolder, rootKeys: KeyFolder | null) {
    this.#directory = resolve(options.directory)
    this.#keys = keys
    this.#rootKeys = rootKeys
    this.#lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
    this.#clock = options.clock ?? Date.now
  }

  /**
   * Opens what {@link init} has made, or is to make.
   * @throws {@link TufError} `unsafe-directory`, `invalid-repository`
   */
  static async open(options: RepositoryOptions): Promise<TufRepository> {
    await mkdir(options.directory, { recursive: true })
    const keys = await KeyFolder.open(options.keys)
    const { rootKeys: path } = options
    const rootKeys = path === undefined ? null : await KeyFolder.open(path)
    const served = await realpath(options.directory)
    for (const folder of [keys, rootKeys]) {
      if (folder === null || !isWithin(served, folder.path)) continue
      throw new TufError('invalid-repository', 'keys must not be in the folder that is served')
    }
    if (rootKeys !== null && rootKeys.path === keys.path) {
      throw new TufError(
        'invalid-repository',
        'the keys of the root must have a folder of their own',
      )
    }
    return new TufRepository(options, keys, rootKeys)
  }

  /**
   * Makes the keys, the first root, and metadata without targets.
   * @throws {@link TufError} `invalid-repository` when there is one already
   */
  async init({ count = 3, threshold = 2 }: RootKeyCount = {}): Promise<PublishedRoot> {
    assertRootKeyCount(count, threshold)
    const rootKeys = this.#needRootKeys()
    if ((await this.#keys.read('root.json')) !== null) {
      throw new TufError('invalid-repository', 'there is a repository already')
    }
    const root = await rootKeys.generate('root', count)
    const targets = await this.#keys.generate('targets', 1)
    const snapshot = await this.#keys.generate('snapshot', 1)
    const timestamp = await this.#keys.generate('timestamp', 1)
    const roles = {
      root: roleOf(root, threshold),
      targets: roleOf(targets, 1),
      snapshot: roleOf(snapshot, 1),
      timestamp: roleOf(timestamp, 1),
    }
    const keys = [root, targets, snapshot, timestamp].flat().map(({ id, entry }) => [id, entry])
    const published = await this.#writeRoot(1, roles, Object.fromEntries(keys))
    await this.publish({})
    return published
  }

  /**
   * Adds and removes targets, and signs targets, snapshot and timestamp anew. Without a change it makes them live longer.
   * @throws {@link TufError} `private-key`, `invalid-repository`
   */
  async publish({ add = new Map(), remove = [] }: Publication): Promise<void> {
    const root = await this.#root()
    // It is missing if a rotation was interrupted.
    const text = await this.#keys.read('root.json')
    if (text !== null) await this.#serve(`metadata/${root.version}.root.json`, text)
    const before = await this.#last<TargetsMetadata>('targets')
    const entries = new Map<string, FileEntry>(Object.entries(before?.targets ?? {}))
    for (const path of remove) {
      if (!entries.delete(path)) throw new TufError('invalid-repository', 'there is no such target')
    }
    for (const [path, bytes] of add) {
      assertTargetPath(path)
      assertPublic(bytes)
      const entry = fileEntry(bytes)
      entries.set(path, entry)
      await this.#serve(targetFile(path, entry), bytes)
    }
    const targets = Object.fromEntries([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const part = this.#part('targets', before)
    await this.#sign(root, { _type: 'targets', ...part, targets }, `${part.version}.targets.json`)
    await this.#index(root, 'snapshot', 'targets')
    await this.#index(root, 'timestamp', 'snapshot')
  }

  /**
   * Replaces the keys of a role, and makes the next root, signed by the keys of the root; of a new root's too.
   * @throws {@link TufError} `invalid-repository`
   */
  async rotate(role: RoleName): Promise<PublishedRoot> {
    const rootKeys = this.#needRootKeys()
    const root = await this.#root()
    const folder = role === 'root' ? rootKeys : this.#keys
    const former = await folder.keysOf(role)
    const made = await folder.generate(role, Math.max(1, root.roles[role].keyids.length))
    const { threshold } = root.roles[role]
    const roles = { ...root.roles, [role]: { keyids: made.map(({ id }) => id), threshold } }
    const used = new Set(ROLES.flatMap((name) => roles[name].keyids))
    const entries = [
      ...Object.entries(root.keys),
      ...made.map((key) => [key.id, key.entry] as const),
    ].filter(([id]) => used.has(id))
    const published = await this.#writeRoot(root.version + 1, roles, Object.fromEntries(entries))
    await folder.remove(role, former)
    await this.publish({})
    return published
  }

  /** Signs with all keys of the folder: those of the root before are in it until this is done. */
  async #writeRoot(
    version: number,
    roles: RootMetadata['roles'],
    keys: RootMetadata['keys'],
  ): Promise<PublishedRoot> {
    const signed: RootMetadata = {
      _type: 'root',
      ...signedPart(version, this.#clock() + this.#lifetimes.root),
      consistent_snapshot: true,
      keys,
      roles,
    }
    const text = signMetadata(signed, await this.#needRootKeys().keysOf('root'))
    await this.#keys.write('root.json', text)
    const file = `metadata/${version}.root.json`
    await this.#serve(file, text)
    return { version, file: join(this.#directory, file), sha256: sha256(text) }
  }

  async #index(root: RootMetadata, role: 'snapshot' | 'timestamp', of: RoleName): Promise<void> {
    const part = this.#part(role, await this.#last(role))
    const text = await this.#keys.read(`${of}.json`)
    const named = await this.#last(of)
    if (text === null || named === null) throw new TypeError('nothing was signed before')
    const meta = { [`${of}.json`]: { version: named.version, ...fileEntry(text) } }
    const name = role === 'snapshot' ? `${part.version}.snapshot.json` : 'timestamp.json'
    await this.#sign(root, { _type: role, ...part, meta }, name)
  }

  #part(role: RoleName, before: { readonly version: number } | null) {
    return signedPart((before?.version ?? 0) + 1, this.#clock() + this.#lifetimes[role])
  }

  /** A version is used once, whenever this ends: so it is noted first. */
  async #sign(
    root: RootMetadata,
    signed: TargetsMetadata | IndexMetadata,
    name: string,
  ): Promise<void> {
    const { _type: role } = signed
    const ids = new Set(root.roles[role].keyids)
    const keys = (await this.#keys.keysOf(role)).filter(({ id }) => ids.has(id))
    if (keys.length < root.roles[role].threshold) {
      throw new TufError('invalid-repository', `there are too few keys of ${role}`)
    }
    const text = signMetadata(signed, keys)
    await this.#keys.write(`${role}.json`, text)
    await this.#serve(`metadata/${name}`, text)
  }

  async #root(): Promise<RootMetadata> {
    const root = await this.#last<RootMetadata>('root')
    if (root !== null) return root
    throw new TufError('invalid-repository', 'there is no repository yet: init makes one')
  }

  async #last<T extends { readonly version: number }>(role: RoleName): Promise<T | null> {
    const text = await this.#keys.read(`${role}.json`)
    if (text === null) return null
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the folder of keys: written by this class
    return (JSON.parse(text) as { signed: T }).signed
  }

  #needRootKeys(): KeyFolder {
    if (this.#rootKeys !== null) return this.#rootKeys
    throw new TufError('invalid-repository', 'the folder with the keys of the root is needed')
  }

  /** Puts a file in the served folder, in one step. */
  async #serve(name: string, content: string | Uint8Array): Promise<void> {
    const path = join(this.#directory, name)
    await mkdir(dirname(path), { recursive: true })
    const temporary = join(dirname(path), `.${randomUUID()}.tmp`)
    try {
      const file = await open(temporary, 'wx', 0o644)
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

function assertRootKeyCount(count: number, threshold: number): void {
  const isValid = [count, threshold].every((each) => Number.isInteger(each) && each >= 1)
  if (isValid && threshold <= count && count <= MAX_ROOT_KEYS) return
  throw new TufError('invalid-repository', 'the threshold must be from 1 to the number of keys')
}

function roleOf(keys: readonly SigningKey[], threshold: number): RoleKeys {
  return { keyids: keys.map(({ id }) => id), threshold }
}

/** TUF specification §6.2: the name begins with the hash. */
function targetFile(path: string, { hashes }: FileEntry): string {
  return posix.join('targets', posix.dirname(path), `${hashes.sha256}.${posix.basename(path)}`)
}

function assertPublic(bytes: Uint8Array): void {
  if (!holdsPrivateKey(bytes)) return
  const message =
    'a target holds a private key, and everybody can read targets: it is not published'
  throw new TufError('private-key', message)
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`))
}
