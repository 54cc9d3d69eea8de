import { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { singleIdOf } from '@fastify-spiffe/spiffe/internal'
import type { Dispatcher } from 'undici'
import { FetchError } from './errors.ts'

/** Makes the headers that say on whose behalf a request is sent to `audience`, a SPIFFE ID. */
export type ChainHeadersFor = (audience: string) => object

type Headers = Dispatcher.DispatchOptions['headers']

/**
 * Returns the one SPIFFE ID that `server` names: a token for whoever answers would be one for anybody.
 * @throws {@link FetchError} `invalid-option`
 */
export function audienceOf(server: object): string {
  const id = server instanceof SpiffeIdMatcher ? singleIdOf(server) : null
  if (id !== null) return id.toString()
  const message = 'with chainHeaders, server must be one SPIFFE ID'
  throw new FetchError('invalid-option', message)
}

/**
 * Adds headers to those of a request, in whatever notation of undici these are.
 * @throws {@link FetchError} `invalid-option` when the request has one of them already
 */
export function withHeaders(given: Headers, added: object, option = 'chainHeaders'): string[] {
  const lines = linesOf(given)
  const names = new Set(Object.keys(added).map((name) => name.toLowerCase()))
  const twice = lines.find((text, index) => index % 2 === 0 && names.has(text.toLowerCase()))
  if (twice !== undefined) {
    throw new FetchError('invalid-option', `${option} adds the header ${twice}: do not give it`)
  }
  return [...lines, ...linesOfEntries(Object.entries(added))]
}

/** Names and values in turn. */
function linesOf(given: Headers): string[] {
  if (given === null || given === undefined) return []
  // Undici takes an array for names and values in turn.
  if (Array.isArray(given)) return given.map(String)
  return linesOfEntries(isIterable(given) ? given : Object.entries(given))
}

function linesOfEntries(entries: Iterable<unknown>): string[] {
  return [...entries].flatMap((entry) => {
    const [name, value]: readonly unknown[] = Array.isArray(entry) ? entry : []
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    return values.flatMap((each) => (each == null ? [] : [String(name), textOf(each)]))
  })
}

function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new FetchError('invalid-option', 'the value of a header must be a string')
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value
}
