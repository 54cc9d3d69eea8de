/**
 * How old a cached decision may be when it is used again:
 *
 * - `cached`: as old as the plugin's cache lets it become;
 * - `{ boundedMs }`: at most so many milliseconds;
 * - `always`: nothing is cached, and each request is decided by itself.
 */
export type Freshness = 'cached' | 'always' | { readonly boundedMs: number }

/** The greatest age in milliseconds that a decision may be used at; 0 for `always`. */
export function maxAgeMs(freshness: Freshness): number {
  if (freshness === 'always') return 0
  return freshness === 'cached' ? Infinity : freshness.boundedMs
}
