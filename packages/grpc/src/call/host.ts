/** RFC 3986 §3.2.2: a registered name as DNS has it, or an address in brackets; then a port. */
const HOST = /^(?<name>[\w-]+(?:\.[\w-]+)*|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** The host of an authority, without its port. `undefined`: there is none; `null`: two readers could understand it differently. */
export function hostIn(authority: string): string | undefined | null {
  if (authority === '') return undefined
  return HOST.exec(authority)?.groups?.['name'] ?? null
}
