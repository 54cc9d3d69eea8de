import type { FastifyInstance } from 'fastify'

/** What changes which URLs the router takes for the same. */
export interface RouterSettings {
  readonly caseSensitive: boolean
  readonly ignoreDuplicateSlashes: boolean
  readonly ignoreTrailingSlash: boolean
}

/** The options of the router, which Fastify takes in two places. */
export function routerSettings({ initialConfig }: FastifyInstance): RouterSettings {
  const { routerOptions } = initialConfig
  return {
    caseSensitive: (routerOptions?.caseSensitive ?? initialConfig.caseSensitive) !== false,
    ignoreDuplicateSlashes:
      (routerOptions?.ignoreDuplicateSlashes ?? initialConfig.ignoreDuplicateSlashes) === true,
    ignoreTrailingSlash:
      (routerOptions?.ignoreTrailingSlash ?? initialConfig.ignoreTrailingSlash) === true,
  }
}

/** The one text of all patterns that the router takes for the same. */
export function normalizedUrl(url: string, settings: RouterSettings): string {
  const single = settings.ignoreDuplicateSlashes ? url.replaceAll(/\/{2,}/g, '/') : url
  const plain = settings.ignoreTrailingSlash ? single.replace(/(?<=.)\/+$/, '') : single
  return settings.caseSensitive ? plain : plain.toLowerCase()
}
