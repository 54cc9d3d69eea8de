import { parseDuration } from './duration.ts'
import { UsageError } from './usage.ts'

interface TufPaths {
  readonly name: 'tuf'
  /** The folder that a web server serves. */
  readonly directory: string
  readonly keys: string
}

/** The commands `tuf init`, `tuf publish` and `tuf rotate`. */
export type TufCommand =
  | (TufPaths & {
      readonly action: 'init'
      readonly rootKeys: string
      readonly rootCount: number
      readonly rootThreshold: number
    })
  | (TufPaths & {
      readonly action: 'publish'
      /** The files of targets, by path. */
      readonly add: ReadonlyMap<string, string>
      readonly remove: readonly string[]
      readonly timestampTtlMs: number
    })
  | (TufPaths & { readonly action: 'rotate'; readonly rootKeys: string; readonly role: Role })

const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
type Role = (typeof ROLES)[number]

/** The options of each action, beside `keys`. */
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['init', ['root-keys', 'root-count', 'root-threshold']],
  ['publish', ['remove', 'timestamp-ttl']],
  ['rotate', ['root-keys', 'role']],
])

/** All options of `tuf`, for `parseArgs`. */
export const tufOptions = {
  keys: { type: 'string' },
  'root-keys': { type: 'string' },
  'root-count': { type: 'string' },
  'root-threshold': { type: 'string' },
  remove: { type: 'string', multiple: true },
  'timestamp-ttl': { type: 'string' },
  role: { type: 'string' },
} as const

/** What was given of {@link tufOptions}. */
export interface TufValues {
  readonly keys?: string | undefined
  readonly 'root-keys'?: string | undefined
  readonly 'root-count'?: string | undefined
  readonly 'root-threshold'?: string | undefined
  readonly remove?: string[] | undefined
  readonly 'timestamp-ttl'?: string | undefined
  readonly role?: string | undefined
}

/** @throws {@link UsageError} */
export function readTuf(values: TufValues, rest: readonly string[]): TufCommand {
  const [action = '', directory, ...files] = rest
  const known = OPTIONS.get(action)
  if (known === undefined) throw new UsageError("'tuf' wants init, publish or rotate")
  const foreign = Object.keys(values).find((option) => option !== 'keys' && !known.includes(option))
  if (foreign !== undefined) throw new UsageError(`'tuf ${action}' takes no option '--${foreign}'`)
  if (directory === undefined) throw new UsageError(`'tuf ${action}' wants the folder to serve`)
  const paths: TufPaths = { name: 'tuf', directory, keys: given('keys', values.keys) }
  if (action === 'publish') return readPublish(paths, values, files)
  if (files.length > 0)
    throw new UsageError(`'tuf ${action}' takes no argument '${files.join(' ')}'`)
  const rootKeys = given('root-keys', values['root-keys'])
  if (action === 'rotate') return { ...paths, action, rootKeys, role: readRole(values.role) }
  return {
    ...paths,
    action: 'init',
    rootKeys,
    rootCount: count('root-count', values['root-count'] ?? '3'),
    rootThreshold: count('root-threshold', values['root-threshold'] ?? '2'),
  }
}

function readPublish(paths: TufPaths, values: TufValues, files: readonly string[]): TufCommand {
  const add = new Map<string, string>()
  for (const text of files) {
    // `NAME=FILE`, or the file alone, whose last part is the name.
    const [, path = text.split(/[/\\]/).at(-1) ?? '', file = text] =
      /^([^=]*)=(.*)$/s.exec(text) ?? []
    if (add.has(path)) throw new UsageError(`'${path}' is published twice`)
    add.set(path, file)
  }
  const { remove = [], 'timestamp-ttl': ttl = '24h' } = values
  return { ...paths, action: 'publish', add, remove, timestampTtlMs: parseDuration(ttl) }
}

function readRole(text: string | undefined): Role {
  const role = ROLES.find((name) => name === text)
  if (role !== undefined) return role
  throw new UsageError(`'tuf rotate' wants --role ${ROLES.join(', ')}`)
}

function given(option: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value
  throw new UsageError(`'tuf' wants --${option}: a folder for keys, which is not served`)
}

function count(option: string, text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text)
  throw new UsageError(`--${option} must be a number from 1 to 50`)
}
