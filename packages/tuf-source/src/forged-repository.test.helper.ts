import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { TufBundleSource, type TufBundleSourceOptions } from './index.ts'
import { fileEntry, ROLES, signedPart, type RoleName } from './repository/metadata.ts'
import { signMetadata, SigningKey } from './repository/signing-key.ts'
import { sha256 } from './store/state.ts'

const DAY_MS = 86_400_000
export const NOW: number = Date.parse('2026-11-30T12:00:00Z')

type Members = Record<string, unknown>
type Answer = (path: string, response: ServerResponse) => boolean

/** A repository in memory, on loopback, whose keys an attacker may have stolen: it signs whatever a test wants. */
export class ForgedRepository implements AsyncDisposable {
  readonly keys: Record<RoleName, SigningKey[]>
  readonly thresholds: Record<RoleName, number> = { root: 1, targets: 1, snapshot: 1, timestamp: 1 }
  readonly versions: Record<RoleName, number> = { root: 1, targets: 1, snapshot: 1, timestamp: 1 }
  readonly expiresAt: Record<RoleName, number>
  /** The octets of targets, by path. */
  readonly targets: Map<string, Buffer> = new Map()
  /** What is served, by path. */
  readonly files: Map<string, string | Buffer> = new Map()
  readonly requests: string[] = []
  /** Answers in the place of the repository, if it returns `true`. */
  intercept: Answer = () => false
  readonly folder: string
  readonly #server: http.Server
  readonly #sockets = new Set<Socket>()

  private constructor(folder: string) {
    this.folder = folder
    this.keys = { root: [], targets: [], snapshot: [], timestamp: [] }
    const expiresAt = NOW + 30 * DAY_MS
    this.expiresAt = {
      root: expiresAt,
      targets: expiresAt,
      snapshot: expiresAt,
      timestamp: NOW + DAY_MS,
    }
    for (const role of ROLES) this.keys[role].push(SigningKey.generate())
    this.#server = http.createServer((request, response) => this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Serves version 1 of everything, with these targets. */
  static async serve(targets: Readonly<Record<string, string>> = {}): Promise<ForgedRepository> {
    const repository = new ForgedRepository(await mkdtemp(join(tmpdir(), 'tuf-')))
    repository.#server.listen(0, '127.0.0.1')
    await once(repository.#server, 'listening')
    for (const [path, content] of Object.entries(targets)) repository.setTarget(path, content)
    repository.publishRoot()
    for (const role of ['targets', 'snapshot', 'timestamp'] as const) repository.publish(role)
    await writeFile(repository.rootFile, repository.#served('metadata/1.root.json'))
    return repository
  }

  get metadataUrl(): string {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server that listens
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}/metadata`
  }

  get rootFile(): string {
    return join(this.folder, 'root.json')
  }

  get pinnedRoot(): { file: string; sha256: string } {
    return { file: this.rootFile, sha256: sha256(this.#served('metadata/1.root.json')) }
  }

  /** Where a source keeps its state. */
  get directory(): string {
    return join(this.folder, 'state')
  }

  setTarget(path: string, content: string | Buffer): void {
    this.targets.set(path, Buffer.from(content))
  }

  /** Signs the next version of these roles, the later ones of which name the ones before. */
  next(...roles: readonly Exclude<RoleName, 'root'>[]): void {
    for (const role of roles) {
      this.versions[role]++
      this.publish(role)
    }
  }

  /** The next version of targets, snapshot and timestamp. */
  nextAll(): void {
    this.next('targets', 'snapshot', 'timestamp')
  }

  /** Signs a role as it is now. */
  publish(role: Exclude<RoleName, 'root'>, change: (signed: Members) => void = () => {}): void {
    const signed: Members = {
      _type: role,
      ...signedPart(this.versions[role], this.expiresAt[role]),
      ...this.#content(role),
    }
    change(signed)
    const version = this.versions[role]
    const name = role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`
    this.files.set(`metadata/${name}`, signMetadata(signed, this.keys[role]))
    if (role !== 'targets') return
    for (const [path, bytes] of this.targets) {
      this.files.set(`targets/${path.replace(/[^/]*$/, `${sha256(bytes)}.$&`)}`, bytes)
    }
  }

  /** Signs the root as it is now, by its own keys and others. */
  publishRoot(
    others: readonly SigningKey[] = [],
    change: (signed: Members) => void = () => {},
  ): void {
    const roles = ROLES.map((role) => [
      role,
      { keyids: this.keys[role].map(({ id }) => id), threshold: this.thresholds[role] },
    ])
    const keys = ROLES.flatMap((role) => this.keys[role].map((key) => [key.id, key.entry] as const))
    const signed: Members = {
      _type: 'root',
      ...signedPart(this.versions.root, this.expiresAt.root),
      consistent_snapshot: true,
      keys: Object.fromEntries(keys),
      roles: Object.fromEntries(roles),
    }
    change(signed)
    const signers = [...this.keys.root, ...others]
    this.files.set(`metadata/${this.versions.root}.root.json`, signMetadata(signed, signers))
  }

  /** Signs the next root, by the keys of the one before too. */
  nextRoot(former: readonly SigningKey[] = []): void {
    this.versions.root++
    this.publishRoot(former)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
    await rm(this.folder, { recursive: true, force: true })
  }

  #content(role: Exclude<RoleName, 'root'>): Members {
    if (role === 'targets') {
      const entries = Array.from(this.targets, ([path, bytes]) => [path, fileEntry(bytes)])
      return { targets: Object.fromEntries(entries) }
    }
    const of = role === 'snapshot' ? 'targets' : 'snapshot'
    const text = this.#served(`metadata/${this.versions[of]}.${of}.json`)
    return { meta: { [`${of}.json`]: { version: this.versions[of], ...fileEntry(text) } } }
  }

  #served(name: string): string | Buffer {
    return this.files.get(name) ?? ''
  }

  #answer({ url = '' }: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(url.slice(1))
    this.requests.push(path)
    if (this.intercept(path, response)) return
    const content = this.files.get(path)
    if (content === undefined) response.writeHead(404).end()
    else response.writeHead(200).end(content)
  }
}

/** A source of a repository at {@link NOW}, whose refreshes are those that the test asks for. */
export function open(
  repository: ForgedRepository,
  options: Partial<TufBundleSourceOptions> = {},
): Promise<TufBundleSource> {
  return TufBundleSource.open({
    metadataUrl: repository.metadataUrl,
    root: repository.pinnedRoot,
    directory: repository.directory,
    clock: () => NOW,
    setTimer: new HeldTimers().setTimer,
    ...options,
  })
}
