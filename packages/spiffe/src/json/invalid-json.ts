import { SpiffeError } from '../errors.ts'

/** Further on in a text, lines are not counted: that would take long. */
const MAX_COUNTED = 256 * 1024

/** An error that says where, and of the text nothing. */
export function invalidJson(text: string, index: number, what: string): SpiffeError {
  return new SpiffeError('invalid-json', `${placeOf(text, index)}: ${what}`)
}

function placeOf(text: string, index: number): string {
  if (index > MAX_COUNTED) return `character ${index + 1}`
  const before = text.slice(0, index)
  const line = before.split('\n').length
  const column = index - before.lastIndexOf('\n')
  return `line ${line}, column ${column}`
}
