import { escapedText, type Part, type Segment } from './path-segments.ts'

/** One segment of a URL pattern, held against those of others. */
export interface SegmentPattern {
  /** What it is, where that is one text. */
  readonly literal: string | null
  /** Whether it ends with `*`, which matches all that follows, including slashes. */
  readonly isOpen: boolean
  /** Whether there may be a segment that both match. */
  canEqual(other: SegmentPattern): boolean
  matches(segment: string): boolean
}

/** Compiles a segment as the router does. An expression that cannot be read counts as any text. */
export function segmentPattern(parts: Segment, caseSensitive: boolean): SegmentPattern {
  const texts = parts.map(({ kind, text }) => (kind === 'text' ? decoded(text) : null))
  const isLiteral = !texts.includes(null)
  const literal = isLiteral ? fold(texts.join(''), caseSensitive) : null
  const source = parts.map((part) => sourceOf(part)).join('')
  const expression = new RegExp(`^(?:${source})$`, caseSensitive ? 's' : 'is')
  const matches = (segment: string): boolean => expression.test(segment)
  return {
    literal,
    isOpen: parts.some(({ kind }) => kind === 'rest'),
    matches,
    canEqual: (other) => canEqual({ literal, matches }, other),
  }
}

type Matching = Pick<SegmentPattern, 'literal' | 'matches'>

function canEqual(one: Matching, other: Matching): boolean {
  if (one.literal !== null) return one.literal === other.literal || other.matches(one.literal)
  return other.literal === null || one.matches(other.literal)
}

function sourceOf({ kind, text }: Part): string {
  if (kind === 'text') return escapedText(decoded(text))
  return kind === 'expression' ? readable(text) : '.*'
}

/** The expression of a parameter without its anchors, which the router leaves out as well. */
function readable(expression: string): string {
  const source = `(?:${expression.replace(/^\^/, '').replace(/\$$/, '')})`
  try {
    return new RegExp(source).source
  } catch {
    return '.*'
  }
}

/** What is before this service, or behind it, may decode `%61` to `a`. */
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
