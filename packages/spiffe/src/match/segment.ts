import { segmentFault } from '../id/syntax.ts'
import { invalidPattern } from './invalid-pattern.ts'
import { TextPattern } from './text-pattern.ts'

/** What one segment of a path has to be. */
export interface SegmentPattern {
  /** The name under which the segment is captured, or `null`. */
  readonly name: string | null
  /** What its text has to be; `null`: any. */
  readonly text: TextPattern | null
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
  return { name: null, text: segment === '*' ? null : new TextPattern(segment) }
}

function compileCapture(segment: string, pattern: string): SegmentPattern {
  const name = CAPTURE.exec(segment)?.[1]
  if (name !== undefined) return { name, text: null }
  const rule =
    'a capture must be a whole segment: "{", a letter or "_", letters, digits or "_", "}"'
  throw invalidPattern(pattern, rule)
}
