import { parseArgs } from 'node:util'
import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { parseDuration } from './duration.ts'
import { UsageError } from './usage.ts'

/** What `dev` is to do. */
export interface DevCommand {
  readonly name: 'dev'
  readonly trustDomain: TrustDomain
  readonly workloads: readonly SpiffeId[]
  /** `undefined`: a temporary folder. */
  readonly directory: string | undefined
  readonly svidTtlMs: number
}

export type TableFormat = 'json' | 'markdown' | 'openapi'

/** What `table` is to do. */
export interface TableCommand {
  readonly name: 'table'
  /** The file of the application. */
  readonly module: string
  /** What the module exports it as. */
  readonly exportName: string
  readonly format: TableFormat
}

/** What `table-diff` is to do. */
export interface TableDiffCommand {
  readonly name: 'table-diff'
  /** The files of both tables, as `table --json` prints them. */
  readonly before: string
  readonly after: string
  readonly isJson: boolean
}

export type Command =
  | DevCommand
  | TableCommand
  | TableDiffCommand
  | { readonly name: 'help' }
  | { readonly name: 'version' }

const FORMATS = ['json', 'markdown', 'openapi'] as const

/** The options of each command. */
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['dev', ['trust-domain', 'workload', 'directory', 'svid-ttl']],
  ['table', ['export', ...FORMATS]],
  ['table-diff', ['json']],
])

/**
 * Reads the arguments of the command line.
 * @throws {@link UsageError} which names what is wrong
 */
export const parseCommand = (args: readonly string[]): Command => {
  const { values, positionals } = parsed(args)
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  const [name, ...rest] = positionals
  if (name === undefined) throw new UsageError('no command')
  const known = OPTIONS.get(name)
  if (known === undefined) throw new UsageError(`no command '${name}'`)
  const foreign = Object.keys(values).find((option) => !known.includes(option))
  if (foreign !== undefined) throw new UsageError(`'${name}' takes no option '--${foreign}'`)
  if (name === 'table') return readTable(values, rest)
  return name === 'dev' ? readDev(values, rest) : readTableDiff(values, rest)
}

const parsed = (args: readonly string[]) =>
  understood(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'trust-domain': { type: 'string' },
        workload: { type: 'string', multiple: true },
        directory: { type: 'string' },
        'svid-ttl': { type: 'string' },
        export: { type: 'string' },
        json: { type: 'boolean' },
        markdown: { type: 'boolean' },
        openapi: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    }),
  )

type Values = ReturnType<typeof parsed>['values']

const readDev = (values: Values, rest: readonly string[]): DevCommand => {
  assertNone('dev', rest)
  const { workload = ['/acme/orders', '/acme/web'], directory } = values
  const trustDomain = understood(() => TrustDomain.parse(values['trust-domain'] ?? 'example.org'))
  const workloads = workload.map((text) => understood(() => workloadId(trustDomain, text)))
  return {
    name: 'dev',
    trustDomain,
    workloads: [...new Map(workloads.map((id) => [id.toString(), id])).values()],
    directory,
    svidTtlMs: parseDuration(values['svid-ttl'] ?? '1h'),
  }
}

const readTable = (values: Values, [module, ...rest]: readonly string[]): TableCommand => {
  if (module === undefined) throw new UsageError("'table' wants the file of an application")
  assertNone('table', rest)
  const [format = 'markdown', ...others] = FORMATS.filter((name) => values[name])
  if (others.length > 0) throw new UsageError(`--${format} and --${others.join(', --')} at once`)
  return { name: 'table', module, exportName: values.export ?? 'default', format }
}

const readTableDiff = (
  { json: isJson = false }: Values,
  [before, after, ...rest]: readonly string[],
): TableDiffCommand => {
  if (before === undefined || after === undefined) {
    throw new UsageError("'table-diff' wants the files of two tables")
  }
  assertNone('table-diff', rest)
  return { name: 'table-diff', before, after, isJson }
}

const assertNone = (name: string, rest: readonly string[]): void => {
  if (rest.length > 0) throw new UsageError(`'${name}' takes no argument '${rest.join(' ')}'`)
}

const workloadId = (trustDomain: TrustDomain, text: string): SpiffeId => {
  const id = SpiffeId.parse(text.startsWith('/') ? trustDomain.id.toString() + text : text)
  if (id.path === '') throw new UsageError(`a workload has a path: ${id.toString()} has none`)
  if (!id.trustDomain.equals(trustDomain)) {
    throw new UsageError(`${id.toString()} is not in the trust domain ${trustDomain.name}`)
  }
  return id
}

const understood = <T>(read: () => T): T => {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
