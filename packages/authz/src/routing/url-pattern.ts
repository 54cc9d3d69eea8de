import { pathSegments } from './path-segments.ts'
import { normalizedUrl, type RouterSettings } from './router-settings.ts'
import { type SegmentPattern, segmentPattern } from './segment-pattern.ts'

/** As in the router: one optional parameter, at the end. */
const OPTIONAL = /(\/:[^/()]*?)\?(\/?)$/

/**
 * Which of its two patterns a request asks for, where the last parameter is optional: the one with the parameter, or the
 * one without. Else the pattern itself.
 */
export function requestedUrl(url: string, params: unknown): string {
  const [, name] = /\/:(\w+)\?\/?$/.exec(url) ?? []
  if (name === undefined || typeof params !== 'object' || params === null) return url
  const isGiven = Reflect.get(params, name) !== undefined
  return url.replace(OPTIONAL, isGiven ? '$1$2' : '$2') || '/'
}

/** The URL pattern of a route, held against paths as the router matches: by what a request can ask for. */
export class UrlPattern {
  readonly #router: RouterSettings
  /** As the router keeps it. */
  readonly #text: string
  /** Its segments; several lists where its last parameter is optional. */
  readonly #variants: readonly (readonly SegmentPattern[])[]

  constructor(url: string, router: RouterSettings) {
    this.#router = router
    this.#text = normalizedUrl(url, router)
    const urls = OPTIONAL.test(url)
      ? [url.replace(OPTIONAL, '$1$2'), url.replace(OPTIONAL, '$2')]
      : [url]
    this.#variants = urls.map((each) => this.#segments(each))
  }

  /** Whether all that it matches is below a path, by whole segments: `/admin` is not above `/administration`. */
  isBelow(path: string): boolean {
    const above = normalizedUrl(path, this.#router)
    return above === '/' || this.#text === above || this.#text.startsWith(`${above}/`)
  }

  /**
   * Whether it can match something at a path or below. In doubt it can: `:area` matches any
   * segment, `*` all that follows, and a path with parameters every path that they could make.
   */
  canMatchBelow(path: string): boolean {
    const above = this.#segments(path)
    return this.#variants.some((segments) => meet(segments, above))
  }

  /** Doubled slashes count as one here, as code that joins paths treats them. */
  #segments(url: string): readonly SegmentPattern[] {
    const { caseSensitive } = this.#router
    return pathSegments(url).map((segment) => segmentPattern(segment, caseSensitive))
  }
}

function meet(segments: readonly SegmentPattern[], path: readonly SegmentPattern[]): boolean {
  for (const [index, expected] of path.entries()) {
    const segment = segments[index]
    if (segment === undefined || !segment.canEqual(expected)) return false
    if (segment.isOpen || expected.isOpen) return true
  }
  return true
}
