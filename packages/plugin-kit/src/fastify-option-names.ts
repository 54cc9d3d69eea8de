/** The options that Fastify itself takes from those of any plugin. */
export const FASTIFY_OPTION_NAMES: readonly string[] = ['prefix', 'logLevel', 'logSerializers']
