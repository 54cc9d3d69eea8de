import { segmentFault } from '../id/syntax.ts'
import { invalidPattern } from './invalid-pattern.ts'

/** What one segment of a path has to be. */
export interface SegmentPattern {
  /** The name under which the segment is captured, or `null`. */
  readonly name: string | null
  matches(segment: string): boolean
}

const CAPTURE = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/

/**
 * Compiles a segment of `pattern`: a literal, a literal with stars, or a capture.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function compileSegment(segment: string, pattern: string): SegmentPattern {
  if (/[{}]/.test(segment)) return compileCapture(segment, pattern)
  if (segment.includes('**')) {
    throw invalidPattern(pattern, '"**" must be a whole segment, and the last one')
  }
  // A star stands for legal characters, so that it is checked as one.
  const fault = segmentFault(segment.replaceAll('*', 'x'))
  if (fault !== null) throw invalidPattern(pattern, fault)
  if (segment === '*') return { name: null, matches: () => true }
  if (segment.includes('*')) return compileStars(segment)
  return { name: null, matches: (candidate) => candidate === segment }
}

function compileCapture(segment: string, pattern: string): SegmentPattern {
  const name = CAPTURE.exec(segment)?.[1]
  if (name !== undefined) return { name, matches: () => true }
  const rule =
    'a capture must be a whole segment: "{", a letter or "_", letters, digits or "_", "}"'
  throw invalidPattern(pattern, rule)
}

/**
 * Each text between two stars is looked for once, after the one before it. The leftmost find leaves
 * most room for the rest, so that there is never anything to take back.
 */
function compileStars(segment: string): SegmentPattern {
  const between = segment.split('*')
  const start = between.shift() ?? ''
  const end = between.pop() ?? ''
  const shortest = start.length + end.length

  const matches = (candidate: string): boolean => {
    // The length first: it is known, and differs for most others.
    if (candidate.length < shortest) return false
    if (start !== '' && !candidate.startsWith(start)) return false
    if (end !== '' && !candidate.endsWith(end)) return false
    let from = start.length
    for (const text of between) {
      const found = candidate.indexOf(text, from)
      if (found === -1) return false
      from = found + text.length
    }
    return from <= candidate.length - end.length
  }
  return { name: null, matches }
}
