import { parseArgs } from 'node:util'
import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { parseDuration } from './duration.ts'
import { fetchOptions, readFetch, type FetchCommand } from './fetch/read-fetch.ts'
import { readTuf, tufOptions, type TufCommand } from './tuf-command.ts'
import { UsageError } from './usage.ts'

/** The command `dev`. */
export interface DevCommand {
  readonly name: 'dev'
  readonly trustDomain: TrustDomain
  /** The other trust domains, each with an authority of its own. */
  readonly federated: readonly TrustDomain[]
  readonly workloads: readonly SpiffeId[]
  /** Where to create the sockets; `undefined`: in a temporary folder. */
  readonly directory: string | undefined
  readonly svidTtlMs: number
}

export type TableFormat = 'json' | 'markdown' | 'openapi'

/** The command `table`. */
export interface TableCommand {
  readonly name: 'table'
  /** The file of the application. */
  readonly module: string
  /** The name of the export that is the application. */
  readonly exportName: string
  readonly format: TableFormat
}

/** The command `table-diff`. */
export interface TableDiffCommand {
  readonly name: 'table-diff'
  /** The files of both tables, in the format of `table --json`. */
  readonly before: string
  readonly after: string
  readonly isJson: boolean
}

export type Command =
  | DevCommand
  | FetchCommand
  | TableCommand
  | TableDiffCommand
  | TufCommand
  | { readonly name: 'help' }
  | { readonly name: 'version' }

const FORMATS = ['json', 'markdown', 'openapi'] as const

/** The options of each command. */
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['dev', ['trust-domain', 'federate', 'workload', 'directory', 'svid-ttl']],
  ['fetch', Object.keys(fetchOptions)],
  ['table', ['export', ...FORMATS]],
  ['table-diff', ['json']],
  ['tuf', Object.keys(tufOptions)],
])

/**
 * Reads the arguments of the command line.
 * @throws {@link UsageError} which names what is wrong
 */
export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args)
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  const [name, ...rest] = positionals
  if (name === undefined) throw new UsageError('no command')
  const known = OPTIONS.get(name)
  if (known === undefined) throw new UsageError(`no command '${name}'`)
  const foreign = Object.keys(values).find((option) => !known.includes(option))
  if (foreign !== undefined) throw new UsageError(`'${name}' takes no option '--${foreign}'`)
  if (name === 'fetch') return readFetch(values, rest)
  if (name === 'table') return readTable(values, rest)
  if (name === 'tuf') return readTuf(values, rest)
  return name === 'dev' ? readDev(values, rest) : readTableDiff(values, rest)
}

function parsed(args: readonly string[]) {
  return understood(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'trust-domain': { type: 'string' },
        federate: { type: 'string', multiple: true },
        workload: { type: 'string', multiple: true },
        directory: { type: 'string' },
        'svid-ttl': { type: 'string' },
        ...fetchOptions,
        export: { type: 'string' },
        json: { type: 'boolean' },
        markdown: { type: 'boolean' },
        openapi: { type: 'boolean' },
        ...tufOptions,
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    }),
  )
}

type Values = ReturnType<typeof parsed>['values']

function readDev(values: Values, rest: readonly string[]): DevCommand {
  assertNone('dev', rest)
  const { workload = ['/acme/orders', '/acme/web'], directory } = values
  const trustDomain = understood(() => TrustDomain.parse(values['trust-domain'] ?? 'example.org'))
  const federated = readFederated(values, trustDomain)
  const known = [trustDomain, ...federated]
  const workloads = workload.map((text) => understood(() => workloadId(known, text)))
  for (const { name } of federated) {
    if (workloads.some((id) => id.trustDomain.name === name)) continue
    throw new UsageError(`no workload of ${name}: add --workload spiffe://${name}/...`)
  }
  return {
    name: 'dev',
    trustDomain,
    federated,
    workloads: [...new Map(workloads.map((id) => [id.toString(), id])).values()],
    directory,
    svidTtlMs: parseDuration(values['svid-ttl'] ?? '1h'),
  }
}

function readFederated({ federate = [] }: Values, own: TrustDomain): readonly TrustDomain[] {
  const names = new Set([own.name])
  // Their names are those of folders.
  const dots =
    federate.length === 0 ? undefined : [own.name, ...federate].find((n) => /^\.+$/.test(n))
  if (dots !== undefined) throw new UsageError(`${dots} cannot be federated here`)
  return federate.map((text) => {
    const trustDomain = understood(() => TrustDomain.parse(text))
    if (names.has(trustDomain.name)) {
      throw new UsageError(`${trustDomain.name} is one of the trust domains already`)
    }
    names.add(trustDomain.name)
    return trustDomain
  })
}

function readTable(values: Values, [module, ...rest]: readonly string[]): TableCommand {
  if (module === undefined) throw new UsageError("'table' wants the file of an application")
  assertNone('table', rest)
  const [format = 'markdown', ...others] = FORMATS.filter((name) => values[name])
  if (others.length > 0) throw new UsageError(`--${format} and --${others.join(', --')} at once`)
  return { name: 'table', module, exportName: values.export ?? 'default', format }
}

function readTableDiff(
  { json: isJson = false }: Values,
  [before, after, ...rest]: readonly string[],
): TableDiffCommand {
  if (before === undefined || after === undefined) {
    throw new UsageError("'table-diff' wants the files of two tables")
  }
  assertNone('table-diff', rest)
  return { name: 'table-diff', before, after, isJson }
}

function assertNone(name: string, rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`'${name}' takes no argument '${rest.join(' ')}'`)
}

/** @param known the own trust domain first: a path is one in it */
function workloadId(known: readonly TrustDomain[], text: string): SpiffeId {
  const id = SpiffeId.parse(text.startsWith('/') ? `${String(known[0]?.id)}${text}` : text)
  if (id.path === '') throw new UsageError(`a workload has a path: ${id.toString()} has none`)
  if (known.some((trustDomain) => id.trustDomain.equals(trustDomain))) return id
  const names = known.map(({ name }) => name).join(' or ')
  throw new UsageError(`${id.toString()} is not in the trust domain ${names}`)
}

function understood<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
