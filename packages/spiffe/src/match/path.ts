import { invalidPattern } from './invalid-pattern.ts'
import type { Captures } from './matcher.ts'
import { compileSegment } from './segment.ts'
import type { SegmentPattern } from './segment.ts'
import type { TextPattern } from './text-pattern.ts'

/** The path of a pattern or a template: one rule for each segment, so that `/ns/a` never matches `/ns/ab`. */
export class PathPattern {
  readonly names: readonly string[]
  readonly #segments: readonly SegmentPattern[]
  /** Those of `#segments` that not every text matches. */
  readonly #checks: readonly { readonly at: number; readonly text: TextPattern }[]
  /** Whether the path ends with `**`, and so goes on after the last of `#segments`. */
  readonly #open: boolean

  /**
   * Compiles the segments of the path of `pattern`, which is whole for messages.
   * @throws {@link SpiffeError} `invalid-pattern`
   */
  constructor(segments: readonly string[], pattern: string) {
    this.#open = segments.at(-1) === '**'
    const closed = this.#open ? segments.slice(0, -1) : segments
    this.#segments = closed.map((segment) => compileSegment(segment, pattern))
    this.#checks = this.#segments.flatMap(({ text }, at) => (text === null ? [] : [{ at, text }]))
    const names = this.#segments.flatMap(({ name }) => (name === null ? [] : [name]))
    if (new Set(names).size < names.length) {
      throw invalidPattern(pattern, 'every capture must have a name of its own')
    }
    this.names = Object.freeze(names)
  }

  /** Whether it is of no segments. */
  get isEmpty(): boolean {
    return !this.#open && this.#segments.length === 0
  }

  /** Allocates nothing. */
  matches(candidate: readonly string[]): boolean {
    const { length } = this.#segments
    if (this.#open ? candidate.length <= length : candidate.length !== length) return false
    for (const { at, text } of this.#checks) {
      if (!text.matches(candidate[at]!)) return false
    }
    return true
  }

  capture(candidate: readonly string[]): Captures | null {
    if (!this.matches(candidate)) return null
    const captures = new Map<string, string>()
    for (const [i, { name }] of this.#segments.entries()) {
      if (name !== null) captures.set(name, candidate[i]!)
    }
    return captures
  }
}
