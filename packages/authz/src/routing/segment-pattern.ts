/** One segment of a URL pattern. */
export interface SegmentPattern {
  /** What it is, where that is one text. */
  readonly literal: string | null
  /** Whether it ends with `*`, which stands for all that follows, slashes included. */
  readonly isOpen: boolean
  /** Whether there may be a segment that both match. */
  canEqual(other: SegmentPattern): boolean
  matches(segment: string): boolean
}

/** A parameter with an expression, a parameter, or the star; in which `::` is a colon. */
const PART = /::|:[^/\-.(:]*(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))?|\*$/g

/** Reads a segment as the router does. An expression that cannot be read stands for any text. */
export function segmentPattern(text: string, caseSensitive: boolean): SegmentPattern {
  let source = ''
  let [from, isDynamic] = [0, false]
  for (const match of text.matchAll(PART)) {
    const [part, expression] = match
    source += escaped(decoded(text.slice(from, match.index)))
    from = match.index + part.length
    isDynamic ||= part !== '::'
    source += part === '::' ? ':' : readable(expression)
  }
  const rest = decoded(text.slice(from))
  const literal = isDynamic ? null : fold(decoded(text.replaceAll('::', ':')), caseSensitive)
  const expression = new RegExp(`^(?:${source}${escaped(rest)})$`, caseSensitive ? 's' : 'is')
  const matches = (segment: string): boolean => expression.test(segment)
  return {
    literal,
    isOpen: text.endsWith('*'),
    matches,
    canEqual: (other) => canEqual({ literal, matches }, other),
  }
}

type Matching = Pick<SegmentPattern, 'literal' | 'matches'>

function canEqual(one: Matching, other: Matching): boolean {
  if (one.literal !== null) return one.literal === other.literal || other.matches(one.literal)
  return other.literal === null || one.matches(other.literal)
}

/** The expression of a parameter without its anchors, which the router leaves out as well. */
function readable(expression: string | undefined): string {
  if (expression === undefined) return '.*'
  const source = `(?:${expression.slice(1, -1).replace(/^\^/, '').replace(/\$$/, '')})`
  try {
    return new RegExp(source).source
  } catch {
    return '.*'
  }
}

/** Whoever stands before this service, or behind it, may take `%61` for `a`. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function fold(text: string, caseSensitive: boolean): string {
  return caseSensitive ? text : text.toLowerCase()
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}
