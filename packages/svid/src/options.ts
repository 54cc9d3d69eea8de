import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { SvidPluginError } from './errors.ts'

/** Options of the plugin `svid`. */
export interface SvidOptions {
  /** The source that was passed to `spiffeServer`. Required. */
  readonly source: X509MaterialSource
  /**
   * Whether to close the source when the application closes, after its server. Default: `true` unless
   * others use the source: another server, or any other subscriber, such as the next application on the
   * same source. An open source keeps the process alive.
   */
  readonly closeSource?: boolean
}

const names: readonly (keyof SvidOptions)[] = ['source', 'closeSource']

/** @throws {@link SvidPluginError} `invalid-option` */
export const assertAwaited = (source: unknown): void => {
  if (typeof source !== 'object' || source === null || !('then' in source)) return
  const message = 'source is a promise: await it, as in `await X509Source.open()`'
  throw new SvidPluginError('invalid-option', message)
}

const reader: OptionReader = new OptionReader(SvidPluginError)

/** @throws {@link SvidPluginError} `unknown-option` or `invalid-option` */
export function readOptions(options: SvidOptions): SvidOptions {
  reader.assertKnown('svid', options, [...names, ...FASTIFY_OPTION_NAMES])
  const { source, closeSource } = options
  assertAwaited(source)
  if (typeof (source as Partial<X509MaterialSource> | undefined)?.onUpdate !== 'function') {
    throw new SvidPluginError(
      'invalid-option',
      'svid needs the source that was passed to spiffeServer',
    )
  }
  if (closeSource === undefined) return { source }
  return { source, closeSource: reader.asBoolean('closeSource', closeSource, false) }
}
