import type { SpiffeId } from '../id/spiffe-id.ts'
import { MAX_SPIFFE_ID_BYTES, SCHEME, cut, trustDomainFault } from '../id/syntax.ts'
import { invalidPattern } from './invalid-pattern.ts'
import { SpiffeIdMatcher } from './matcher.ts'
import type { Captures } from './matcher.ts'
import { PathPattern } from './path.ts'
import { matchId } from './sets.ts'

/**
 * Matches SPIFFE IDs by pattern, such as `spiffe://example.org/{tenant}/api-*`.
 *
 * The trust domain is literal. The path is matched segment by segment, case-sensitively. Only a `**`
 * at the end matches more than one segment:
 *
 * - `web` is the segment `web` itself;
 * - `*` in a segment is any run of characters, the empty one included: `api-*` matches `api-` and
 *   `api-v2`, and a `*` alone matches any one segment;
 * - `{tenant}` is any one whole segment, captured under a name that occurs once;
 * - `**` as the last segment is one or more segments.
 *
 * A pattern is at most 2048 bytes long. Matching does not backtrack and allocates nothing.
 *
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function matchPattern(text: string): SpiffeIdMatcher {
  return new Pattern(text)
}

/**
 * Reads a matcher from a configuration: a pattern when `text` has a `*` or a `{`, else one SPIFFE ID. Unlike `toMatcher`
 * it accepts an ID without a path.
 * @throws {@link SpiffeError} `invalid-spiffe-id`, `invalid-pattern`
 */
export function parseMatcher(text: string): SpiffeIdMatcher {
  return typeof text === 'string' && /[*{]/.test(text) ? matchPattern(text) : matchId(text)
}

/** What {@link matchPattern} makes. */
export class Pattern extends SpiffeIdMatcher {
  readonly #text: string
  readonly #trustDomain: string
  readonly #path: PathPattern

  constructor(text: string) {
    super()
    const { name, segments } = split(text)
    this.#text = text
    this.#trustDomain = name
    this.#path = new PathPattern(segments, text)
  }

  matches(candidate: SpiffeId): boolean {
    // The path first: paths usually differ in length, and trust domains are usually the same.
    return (
      this.#path.matches(candidate.segments) && candidate.trustDomain.name === this.#trustDomain
    )
  }

  override capture(candidate: SpiffeId): Captures | null {
    if (candidate.trustDomain.name !== this.#trustDomain) return null
    return this.#path.capture(candidate.segments)
  }

  override get isFixed(): boolean {
    return true
  }

  override get trustDomains(): ReadonlySet<string> {
    return new Set(this.#path.isEmpty ? [] : [this.#trustDomain])
  }

  toString(): string {
    return `matchPattern('${this.#text}')`
  }
}

function split(text: unknown): ReturnType<typeof cut> {
  if (typeof text !== 'string') throw invalidPattern(text, 'it must be a string')
  if (text.length > MAX_SPIFFE_ID_BYTES) {
    throw invalidPattern(text, `it must not be longer than ${MAX_SPIFFE_ID_BYTES} bytes`)
  }
  if (!text.startsWith(SCHEME)) {
    throw invalidPattern(text, `it must start with "${SCHEME}", in lower case`)
  }
  const parts = cut(text)
  if (/[*{}]/.test(parts.name)) {
    throw invalidPattern(text, 'the trust domain must be literal: each has a trust root of its own')
  }
  const fault = trustDomainFault(parts.name)
  if (fault !== null) throw invalidPattern(text, fault)
  return parts
}
