import { isDeepStrictEqual } from 'node:util'
import { SpiffeError } from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import * as fc from 'fast-check'
import { edited, edits } from '../support/mutation.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

const MAX_DEPTH = 500

/** Few, so that they meet. The last ones are others in other words. */
const KEYS = ['a', 'b', 'deny', '', '__proto__', String.raw`\u0061`, String.raw`de\u006Ey`, '\\\\']
const NUMBERS = [
  '0',
  '-0',
  '17',
  '1e5',
  '1E-5',
  '1e400',
  '-9e999',
  '01',
  '1.',
  '.5',
  '9'.repeat(400),
]
const OTHERS = [
  'true',
  'false',
  'null',
  '""',
  '"a"',
  String.raw`"\""`,
  String.raw`"\\"`,
  '"{\\"a\\":1"',
]

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(...OTHERS),
    fc.constantFrom(...NUMBERS),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS), tie('value')), { maxLength: 5 })
      .map((members) => `{ ${members.map(([key, text]) => `"${key}":${text}`).join(' ,\n')}}`),
  ),
}))

const texts: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: value },
  { weight: 2, arbitrary: fc.json() },
  {
    weight: 2,
    arbitrary: fc
      .tuple(value, edits)
      .map(([text, changes]) => edited(Buffer.from(text), changes).toString()),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[{}[\]",:\\ae\-10 \n]{0,12}$/) },
  // What takes a reader that goes back, or down, too long.
  { weight: 1, arbitrary: fc.nat(600).map((depth) => '['.repeat(depth) + ']'.repeat(depth)) },
  { weight: 1, arbitrary: fc.nat(3000).map((count) => `"${'\\'.repeat(count)}"`) },
  { weight: 1, arbitrary: fc.nat(3000).map((count) => `{${'"a":"\\"",'.repeat(count)}"b":1}`) },
)

/** Strict JSON, against `JSON.parse` and a slow reader that has nothing in common with the fast one. */
export const openJson = (): Target<string> => ({
  inputs: texts,
  read(text) {
    const native = nativeOf(text)
    const fault = native === undefined ? 'no JSON' : jsonFault(text)
    try {
      const read = parseJson(text)
      check(fault === null, `it is read, and has ${fault ?? ''}`)
      check(isDeepStrictEqual(read, native?.value), 'JSON.parse reads it otherwise')
      return ACCEPTED
    } catch (error) {
      if (!(error instanceof SpiffeError)) throw error
      check(fault !== null, `it is refused: ${error.message}`)
      return fault
    }
  },
  bytesOf: (text) => Buffer.from(text),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

function nativeOf(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** What strict readers refuse of a text that is JSON; `null`: nothing. */
export function jsonFault(text: string): string | null {
  const reader = new SlowReader(text)
  reader.value(0)
  return [...reader.faults].toSorted()[0] ?? null
}

/** Reads what is known to be JSON, by recursion. */
class SlowReader {
  readonly faults: Set<string> = new Set()
  #rest: string

  constructor(text: string) {
    this.#rest = text
  }

  value(depth: number): void {
    const first = this.#take(/^["{[]|^[^\s,\]}]+/)
    if (depth >= MAX_DEPTH && '{['.includes(first)) this.faults.add('depth')
    if (first === '{') this.#members(depth + 1)
    else if (first === '[') this.#items(depth + 1)
    else if (first === '"') this.#string()
    else if (/\d/.test(first) && !Number.isFinite(Number(first))) this.faults.add('a large number')
  }

  #members(depth: number): void {
    const keys = new Set<string>()
    while (this.#take(/^[},]?/) !== '}') {
      if (this.#take(/^["}]/) === '}') return
      const key = String(JSON.parse(`"${this.#string()}"`))
      if (keys.has(key)) this.faults.add('a key twice')
      if (key === '__proto__') this.faults.add('a prototype')
      keys.add(key)
      this.#take(/^:/)
      this.value(depth)
    }
  }

  #items(depth: number): void {
    while (this.#take(/^[\],]?/) !== ']') {
      if (this.#rest.trimStart().startsWith(']')) continue
      this.value(depth)
    }
  }

  /** What stands before the next quotation mark that ends a string. */
  #string(): string {
    const [text = ''] = /^(?:[^"\\]|\\.)*/s.exec(this.#rest) ?? []
    this.#rest = this.#rest.slice(text.length + 1)
    return text
  }

  #take(expected: RegExp): string {
    this.#rest = this.#rest.trimStart()
    const [text = ''] = expected.exec(this.#rest) ?? []
    this.#rest = this.#rest.slice(text.length)
    return text
  }
}
