import { createHash } from 'node:crypto'
import { parseJson } from '@fastify-spiffe/spiffe/internal'

/** A target that was taken. */
export interface StoredTarget {
  readonly bytes: Buffer
  /** The version of the metadata that listed it. */
  readonly version: number
  /** When a refresh last found that it is what the repository has, in ms since the epoch. */
  readonly verifiedAt: number
}

/** What a source knows, and has to know again after a restart. */
export interface State {
  /** Verified metadata, by role. */
  readonly metadata: ReadonlyMap<string, Buffer>
  /** The targets that are in use, by path. */
  readonly targets: ReadonlyMap<string, StoredTarget>
  /** SHA-256 of the root that was given when this began. */
  readonly pin: string
  /** When a refresh last verified all metadata, in ms since the epoch; `null` if none has. */
  readonly verifiedAt: number | null
  /** The latest time at which a refresh verified all metadata. */
  readonly latestTime: number
  /** When the timestamp that is held came, in ms since the epoch. */
  readonly timestampSince: number
}

/** A file of a state, and the SHA-256 of it. */
interface FileEntry {
  readonly sha256: string
}

interface TargetEntry extends FileEntry {
  readonly version: number
  readonly verifiedAt: number
}

/** The times of a state, and what files it has. */
export interface StateRecord extends Omit<State, 'metadata' | 'targets'> {
  readonly metadata: ReadonlyMap<string, FileEntry>
  readonly targets: ReadonlyMap<string, TargetEntry>
}

const FORMAT = 1
const MAX_LENGTH = 4 * 1024 * 1024

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The record of a state: without the octets of its files. */
export function recordOf(state: State): StateRecord {
  const metadata = Array.from(state.metadata, ([role, bytes]) => {
    return [role, { sha256: sha256(bytes) }] as const
  })
  const targets = Array.from(state.targets, ([path, { bytes, version, verifiedAt }]) => {
    return [path, { sha256: sha256(bytes), version, verifiedAt }] as const
  })
  return { ...state, metadata: new Map(metadata), targets: new Map(targets) }
}

export function writeRecord(record: StateRecord): string {
  const { metadata, targets, pin, verifiedAt, latestTime, timestampSince } = record
  return JSON.stringify({
    format: FORMAT,
    pin,
    verifiedAt,
    latestTime,
    timestampSince,
    metadata: [...metadata],
    targets: [...targets],
  })
}

/** @throws an error for what {@link writeRecord} does not write */
export function readRecord(text: string): StateRecord {
  const value: unknown = parseJson(text, { maxLength: MAX_LENGTH, maxDepth: 8 })
  if (typeof value !== 'object' || value === null) throw new TypeError('no object')
  const get = (name: string): unknown => Reflect.get(value, name)
  if (get('format') !== FORMAT) throw new TypeError('another format')
  const verifiedAt = get('verifiedAt')
  return {
    pin: asDigest(get('pin')),
    verifiedAt: verifiedAt === null ? null : asTime(verifiedAt),
    latestTime: asTime(get('latestTime')),
    timestampSince: asTime(get('timestampSince')),
    metadata: asMap(get('metadata'), asFileEntry),
    targets: asMap(get('targets'), asTargetEntry),
  }
}

function asMap<T>(value: unknown, asValue: (value: object) => T): ReadonlyMap<string, T> {
  if (!Array.isArray(value)) throw new TypeError('no list')
  return new Map(
    value.map((entry: unknown) => {
      const [name, file]: readonly unknown[] = Array.isArray(entry) ? entry : []
      if (typeof name === 'string' && typeof file === 'object' && file !== null) {
        return [name, asValue(file)]
      }
      throw new TypeError('no entry')
    }),
  )
}

function asFileEntry(value: object): FileEntry {
  return { sha256: asDigest(Reflect.get(value, 'sha256')) }
}

function asTargetEntry(value: object): TargetEntry {
  const [version, verifiedAt] = ['version', 'verifiedAt'].map((key) => Reflect.get(value, key))
  return { ...asFileEntry(value), version: asTime(version), verifiedAt: asTime(verifiedAt) }
}

function asDigest(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value
  throw new TypeError('no digest')
}

function asTime(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new TypeError('no time')
}
