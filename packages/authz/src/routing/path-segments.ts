/** A piece of a segment: text, a parameter with an expression, one without, or the star at the end. */
export interface Part {
  readonly kind: 'text' | 'expression' | 'any' | 'rest'
  readonly text: string
}

/** What is between two slashes. */
export type Segment = readonly Part[]

/** The name of a parameter, up to what ends it in the router. */
const NAME = /:[^/.\-(]*/y
/** Text up to a slash, a colon or the star that ends the pattern. */
const TEXT = /(?:::|[^/:*]|\*(?!$))+/y

/** Reads the URL pattern of a route into its segments, as the router does. Empty ones are left out. */
export function pathSegments(url: string): readonly Segment[] {
  const segments: Part[][] = [[]]
  for (let at = 0; at < url.length;) {
    if (url[at] === '/') {
      segments.push([])
      at++
      continue
    }
    const [part, length] = partAt(url, at)
    segments.at(-1)?.push(part)
    at += length
  }
  return segments.filter((segment) => segment.length > 0)
}

function partAt(url: string, at: number): readonly [Part, length: number] {
  TEXT.lastIndex = at
  const text = TEXT.exec(url)?.[0]
  if (text !== undefined) return [{ kind: 'text', text: text.replaceAll('::', ':') }, text.length]
  if (url[at] === '*') return [{ kind: 'rest', text: '*' }, 1]
  NAME.lastIndex = at
  const { length } = NAME.exec(url)?.[0] ?? url.slice(at)
  const open = at + length
  if (url[open] !== '(') return [{ kind: 'any', text: '' }, length]
  const close = closingOf(url, open)
  return [{ kind: 'expression', text: url.slice(open + 1, close) }, close + 1 - at]
}

/** As the router counts: an escaped parenthesis is none. */
function closingOf(url: string, open: number): number {
  let depth = 0
  for (let at = open; at < url.length; at++) {
    const character = url[at]
    if (character === '\\') at++
    else if (character === '(') depth++
    else if (character === ')' && --depth === 0) return at
  }
  return url.length
}

export function escapedText(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}
