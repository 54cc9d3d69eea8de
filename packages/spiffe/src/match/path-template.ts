import { inspectAsText } from '../id/inspect.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import { MAX_SPIFFE_ID_BYTES } from '../id/syntax.ts'
import { invalidPattern } from './invalid-pattern.ts'
import type { Captures } from './matcher.ts'
import { PathPattern } from './path.ts'

/**
 * Reads names out of the paths of SPIFFE IDs, such as a tenant with `/{tenant}/{workload}`. The
 * grammar is that of the path of a {@link matchPattern}; the number of segments is exact unless `**` ends it.
 *
 * A template ignores the trust domain, so it must not decide who may do what. The same name in two
 * trust domains is two names: keep the trust domain beside it.
 *
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function pathTemplate(text: string): PathTemplate {
  return new PathTemplate(text)
}

/** The result of {@link pathTemplate}. It is not a matcher, on purpose. */
class PathTemplate {
  readonly #text: string
  readonly #path: PathPattern

  static {
    inspectAsText(this)
  }

  /** @throws {@link SpiffeError} `invalid-pattern` */
  constructor(text: string) {
    if (typeof text !== 'string') throw invalidPattern(text, 'it must be a string')
    if (text.length > MAX_SPIFFE_ID_BYTES) {
      throw invalidPattern(text, `it must not be longer than ${MAX_SPIFFE_ID_BYTES} bytes`)
    }
    if (!text.startsWith('/')) throw invalidPattern(text, 'a path must start with "/"')
    this.#text = text
    this.#path = new PathPattern(text.slice(1).split('/'), text)
  }

  /** The names of the captures, from left to right. */
  get names(): readonly string[] {
    return this.#path.names
  }

  /** The captures, byte for byte; `null` when the path of `id` does not match. */
  capture(id: SpiffeId): Captures | null {
    return this.#path.capture(id.segments)
  }

  toString(): string {
    return this.#text
  }
}

export type { PathTemplate }
