import type { FastifyInstance } from 'fastify'

/** What changes which URLs the router takes for the same. */
export interface RouterSettings {
  readonly caseSensitive: boolean
  readonly ignoreDuplicateSlashes: boolean
}

/** The options of the router, which Fastify takes in two places. */
export function routerSettings({ initialConfig }: FastifyInstance): RouterSettings {
  const { routerOptions } = initialConfig
  return {
    caseSensitive: (routerOptions?.caseSensitive ?? initialConfig.caseSensitive) !== false,
    ignoreDuplicateSlashes:
      (routerOptions?.ignoreDuplicateSlashes ?? initialConfig.ignoreDuplicateSlashes) === true,
  }
}
