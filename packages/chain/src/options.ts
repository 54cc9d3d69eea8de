import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { ChainError } from './errors.ts'

/** Reads the options of this package. */
export const reader: OptionReader = new OptionReader(ChainError)

/** The options of a plugin, without those that Fastify itself takes. */
export function withoutFastifyOptions<Options extends object>(options: Options): Options {
  const own: Options = { ...options }
  for (const name of FASTIFY_OPTION_NAMES) Reflect.deleteProperty(own, name)
  return own
}
