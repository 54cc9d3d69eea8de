import { constants } from 'node:os'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { parseDuration } from '../duration.ts'
import { UsageError } from '../usage.ts'
import { parsePid, type SignalTarget } from './signal-process.ts'

/** The command `fetch`. */
export interface FetchCommand {
  readonly name: 'fetch'
  /** Where the files go. */
  readonly directory: string
  /** Whether renewals are written too. */
  readonly isWatching: boolean
  /** Of the Workload API; `undefined`: `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address: string | undefined
  /** Which SVID, if there are several; `undefined`: the first. */
  readonly pick: SpiffeId | { readonly hint: string } | undefined
  /** Whether the bundles of all trust domains are written as well. */
  readonly withBundleMap: boolean
  /** Who hears of each write. */
  readonly target: SignalTarget | null
  readonly timeoutMs: number
}

/** The options of `fetch`, for `parseArgs`. */
export const fetchOptions = {
  write: { type: 'string' },
  watch: { type: 'boolean' },
  address: { type: 'string' },
  'spiffe-id': { type: 'string' },
  hint: { type: 'string' },
  'bundle-map': { type: 'boolean' },
  signal: { type: 'string' },
  pid: { type: 'string' },
  'pid-file': { type: 'string' },
  timeout: { type: 'string' },
} as const

/** What was given of {@link fetchOptions}. */
export interface FetchValues {
  readonly write?: string | undefined
  readonly watch?: boolean | undefined
  readonly address?: string | undefined
  readonly 'spiffe-id'?: string | undefined
  readonly hint?: string | undefined
  readonly 'bundle-map'?: boolean | undefined
  readonly signal?: string | undefined
  readonly pid?: string | undefined
  readonly 'pid-file'?: string | undefined
  readonly timeout?: string | undefined
}

/** @throws {@link UsageError} */
export function readFetch(values: FetchValues, rest: readonly string[]): FetchCommand {
  if (rest.length > 0) throw new UsageError(`'fetch' takes no argument '${rest.join(' ')}'`)
  const { write: directory, watch = false, address, timeout = '30s' } = values
  if (directory === undefined || directory === '') throw new UsageError("'fetch' wants --write DIR")
  return {
    name: 'fetch',
    directory,
    isWatching: watch,
    address,
    pick: readPick(values),
    withBundleMap: values['bundle-map'] ?? false,
    target: readTarget(values),
    timeoutMs: parseDuration(timeout),
  }
}

function readPick({ 'spiffe-id': id, hint }: FetchValues): FetchCommand['pick'] {
  if (id !== undefined && hint !== undefined) throw new UsageError('--spiffe-id and --hint at once')
  if (hint !== undefined) return { hint }
  if (id === undefined) return undefined
  const parsed = SpiffeId.safeParse(id)
  if (parsed.ok) return parsed.value
  throw new UsageError(parsed.error.message)
}

function readTarget({ signal, pid, 'pid-file': pidFile }: FetchValues): SignalTarget | null {
  if (pid === undefined && pidFile === undefined) {
    if (signal === undefined) return null
    throw new UsageError('--signal wants --pid or --pid-file')
  }
  if (pid !== undefined && pidFile !== undefined)
    throw new UsageError('--pid and --pid-file at once')
  const name = readSignal(signal ?? 'SIGHUP')
  if (pidFile !== undefined) return { signal: name, process: { pidFile } }
  const number = parsePid(pid ?? '')
  if (number === undefined) throw new UsageError('--pid wants the number of a process')
  return { signal: name, process: { pid: number } }
}

function readSignal(text: string): NodeJS.Signals {
  const name = text.startsWith('SIG') ? text : `SIG${text}`
  if (isSignal(name)) return name
  throw new UsageError('--signal wants the name of a signal, such as SIGHUP or USR1')
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}
