import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'

const SECRET = 'TopSecretCanary7f3a'
const TOKEN = `eyJhbGciOiJFUzI1NiJ9.${SECRET}Claims.${SECRET}Signature`
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** What operators have at hand, and may give in the wrong place. */
export const canaries: ReadonlyMap<string, string> = new Map([
  ['a private key', PEM],
  ['a bearer token', `Bearer ${TOKEN}`],
  ['a token', TOKEN],
  ['a password in a URL', `https://user:${SECRET}@pdp.example.org/v1?key=${SECRET}#${SECRET}`],
  ['a password in a SPIFFE ID', `spiffe://user:${SECRET}@example.org/web?key=${SECRET}#${SECRET}`],
  ['a short password', SECRET],
])

/** Whatever of a canary must be found nowhere. */
const FRAGMENTS: readonly string[] = [
  SECRET,
  ...PEM.split('\n').filter((line) => line !== '' && !line.startsWith('-')),
]

/** The forms in which a mistaken option comes. */
export function misplaced(canary: string): readonly unknown[] {
  return [
    canary,
    [canary],
    Buffer.from(canary),
    { key: canary },
    { file: canary },
    { url: canary },
    ...(isName(canary) ? [] : [{ [canary]: { value: canary } }]),
    new Map([[canary, canary]]),
    () => canary,
  ]
}

/** What has the form of a name is taken for a misspelt one where names stand, and shown. */
function isName(canary: string): boolean {
  return /^\w{1,40}$/.test(canary)
}

/** What of the canaries an error shows, in any of the ways that errors are written down. */
export function leaks(error: unknown): readonly string[] {
  const texts: string[] = []
  collect(error, texts, new Set())
  const text = texts.join('\n').replaceAll('\\n', '\n')
  return FRAGMENTS.filter((fragment) => text.includes(fragment.slice(0, 16)))
}

function collect(error: unknown, texts: string[], seen: Set<unknown>): void {
  if (seen.has(error)) return
  seen.add(error)
  texts.push(inspect(error, { depth: 10, showHidden: true, maxStringLength: null }), String(error))
  if (typeof error !== 'object' || error === null) return
  for (const key of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, key)
    texts.push(inspect(value, { depth: 10, maxStringLength: null }))
    if (value instanceof Uint8Array) texts.push(Buffer.from(value).toString('latin1'))
    for (const each of Array.isArray(value) ? value : [value]) collect(each, texts, seen)
  }
  try {
    texts.push(JSON.stringify(error))
  } catch {
    // What holds itself cannot be written by anybody.
  }
}
