import * as undici7 from 'undici'

type Members = 'Client' | 'Dispatcher' | 'Pool'

/** The module `undici`, of version 7 or 8. Their types are not compatible with each other. */
export type UndiciModule = Readonly<Record<Members | 'fetch', object>>

/** What this package uses of it, which is the same in both versions. */
export interface Undici extends Pick<typeof undici7, Members> {
  // Wider than the types of undici: those of the built-in classes are of another version.
  readonly fetch: (input: string | URL, init: object) => Promise<Response>
}

/** The HTTP client of this package, unless the option `undici` gives another version. */
export const defaultUndici: Undici = undici7

/** Whether a value looks like the module `undici`. */
export function isUndici(value: unknown): value is Undici {
  if (typeof value !== 'object' || value === null) return false
  return ['Client', 'Dispatcher', 'Pool', 'fetch'].every(
    (name) => typeof Reflect.get(value, name) === 'function',
  )
}
