const [QUOTE, COMMA, BACKSLASH, SPACE] = [0x22, 0x2c, 0x5c, 0x20]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * The members of an object as its text has them, without white space around the values. It shows digits that a number
 * of JavaScript loses.
 *
 * @param text an object that `parseJson` has read: no key occurs twice
 */
export function rawMembers(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>()
  let index = skipBlank(text, skipBlank(text, 0) + 1)
  while (index < text.length && text.charCodeAt(index) !== OBJECT_END) {
    const keyEnd = stringEnd(text, index)
    const key = String(JSON.parse(text.slice(index, keyEnd)))
    const start = skipBlank(text, text.indexOf(':', keyEnd) + 1)
    const end = valueEnd(text, start)
    members.set(key, text.slice(start, end))
    index = skipBlank(text, end)
    if (text.charCodeAt(index) === COMMA) index = skipBlank(text, index + 1)
  }
  return members
}

function skipBlank(text: string, start: number): number {
  let index = start
  while (text.charCodeAt(index) <= SPACE) index++
  return index
}

/** The index after the closing quotation mark. */
function stringEnd(text: string, start: number): number {
  let index = start + 1
  while (index < text.length && text.charCodeAt(index) !== QUOTE) {
    index += text.charCodeAt(index) === BACKSLASH ? 2 : 1
  }
  return index + 1
}

function valueEnd(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return stringEnd(text, start)
  if (first === OBJECT || first === LIST) return containerEnd(text, start)
  let index = start
  while (index < text.length && !isSeparator(text.charCodeAt(index))) index++
  return index
}

/** The index after the bracket that closes the one at `start`. */
function containerEnd(text: string, start: number): number {
  let depth = 0
  let index = start
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) {
      index = stringEnd(text, index)
      continue
    }
    index++
    if (code === OBJECT || code === LIST) depth++
    else if (code === OBJECT_END || code === LIST_END) depth--
    if (depth === 0) return index
  }
  return index
}

function isSeparator(code: number): boolean {
  return code === COMMA || code === OBJECT_END || code <= SPACE
}
