import type { SetTimer } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { ReadRules } from '../access/read-safely.ts'
import type { FileSourceError } from '../errors.ts'
import type { FileSet } from '../reading/file-set.ts'
import { OPTION_NAMES, type FileSourceOptions } from './options.ts'
import { readFiles } from './read-files.ts'
import { reader } from './reader.ts'

/** {@link FileSourceOptions} that were checked. */
export interface Settings {
  readonly files: FileSet
  readonly rules: ReadRules
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly onProblem: ((problem: FileSourceError) => void) | undefined
  readonly clock: () => number
  readonly setTimer: SetTimer
}

const MIB = 1024 * 1024

/** @throws {@link FileSourceError} `unknown-option`, `invalid-option` */
export function readOptions(options: FileSourceOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('FileSource.open', options, 'must be given its options')
  }
  reader.assertKnown('FileSource.open', options, OPTION_NAMES)
  const { signal, onProblem, timeoutMs } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    reader.refuse('signal', signal, 'must be an AbortSignal')
  }
  const range = { min: 1, max: MAX_TIMER_MS, defaultValue: 30_000 }
  return {
    files: readFiles(options),
    rules: readRules(options),
    timeoutMs: reader.asDuration('timeoutMs', timeoutMs, range),
    signal,
    onProblem:
      onProblem === undefined ? undefined : reader.asFunction('onProblem', onProblem, onProblem),
    clock: reader.asFunction('clock', options.clock, Date.now),
    setTimer: reader.asFunction('setTimer', options.setTimer, setUnreferencedTimer),
  }
}

function readRules(options: FileSourceOptions): ReadRules {
  const range = { min: 1024, max: 16 * MIB, defaultValue: MIB }
  return {
    allowGroupReadableKey: isAllowed('allowGroupReadableKey', options),
    allowWorldReadableKey: isAllowed('allowWorldReadableKey', options),
    allowWorldWritable: isAllowed('allowWorldWritable', options),
    allowForeignOwner: isAllowed('allowForeignOwner', options),
    allowLinksOutsideFolder: isAllowed('allowLinksOutsideFolder', options),
    maxFileBytes: reader.asInteger('maxFileBytes', options.maxFileBytes, range),
  }
}

type Allowance = Extract<keyof FileSourceOptions, `allow${string}`>

function isAllowed(name: Allowance, options: FileSourceOptions): boolean {
  return reader.asBoolean(name, options[name], false)
}
