import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs'

/** Deeper than any policy looks, and far from what Cedar's own parser gives up at. */
const MAX_DEPTH = 64

/** What a request holds that Cedar could not read. */
export class Unreadable extends TypeError {}

/**
 * Copies plain data for Cedar, without members that are `undefined`.
 *
 * What cannot be read must not get as far as Cedar: it says so by an exception out of WebAssembly, which leaves memory
 * behind, and some thousand requests of that kind would end it for the life of the process.
 *
 * @throws {Unreadable}
 */
export function cedarRecord(record: object, depth = 0): Record<string, CedarValueJson> {
  if (depth === MAX_DEPTH) throw new Unreadable('has too many levels')
  const members: [string, CedarValueJson][] = []
  for (const [key, value] of Object.entries(record)) {
    if (value !== undefined) members.push([cedarText(key), cedarValue(value, depth + 1)])
  }
  return Object.fromEntries(members)
}

/** @throws {Unreadable} */
export function cedarText(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new Unreadable('has half a character')
  return text
}

function cedarValue(value: unknown, depth: number): CedarValueJson {
  if (typeof value === 'string') return cedarText(value)
  if (typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  if (Array.isArray(value)) return cedarList(value, depth)
  if (typeof value === 'object' && value !== null) return cedarRecord(value, depth)
  throw new Unreadable(`has a value of no type that Cedar knows: ${typeof value}`)
}

function cedarList(list: readonly unknown[], depth: number): CedarValueJson[] {
  if (depth === MAX_DEPTH) throw new Unreadable('has too many levels')
  return list.map((it) => cedarValue(it, depth + 1))
}
