import { SpiffeError } from '../errors.ts'
import { OptionReader } from '../option-reader.ts'

/** Which JWT-SVIDs are accepted. */
export interface JwtVerifyOptions {
  /**
   * This service, or each of its names: a token is accepted that has one of them in its `aud`. A name that other services
   * share lets them use tokens that were given to them (JWT-SVID §7.2).
   */
  readonly audience: string | readonly string[]
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /**
   * How far the clocks of issuers may be from ours, in milliseconds, at most 60,000. A token is valid this much longer
   * than `exp`, and earlier than `nbf`. Default 0. `iat` may be up to a minute ahead in any case.
   */
  readonly clockSkewMs?: number
  /** Octets of a token; a longer one is refused unread. 1 to 65,536. Default 8192. */
  readonly maxTokenBytes?: number
}

/** The options, checked and complete. */
export interface JwtSettings {
  readonly audience: readonly string[]
  readonly clock: () => number
  readonly clockSkewMs: number
  readonly maxTokenBytes: number
}

export const options: OptionReader = new OptionReader(SpiffeError)

export const VERIFY_OPTIONS: readonly string[] = [
  'audience',
  'clock',
  'clockSkewMs',
  'maxTokenBytes',
]

const MAX_NAMES = 64

/** @throws {@link SpiffeError} `invalid-option` */
export function readVerifyOptions(given: JwtVerifyOptions): JwtSettings {
  return {
    audience: readAudience(options, given.audience),
    clock: options.asFunction('clock', given.clock, Date.now),
    clockSkewMs: options.asInteger('clockSkewMs', given.clockSkewMs, {
      min: 0,
      max: 60_000,
      defaultValue: 0,
    }),
    maxTokenBytes: options.asInteger('maxTokenBytes', given.maxTokenBytes, {
      min: 1,
      max: 65_536,
      defaultValue: 8192,
    }),
  }
}

/**
 * Reads the option `audience` of a package: one name, or a list of them.
 * @throws `invalid-option`
 */
export function readAudience(reader: OptionReader, audience: unknown): readonly string[] {
  const names: unknown = typeof audience === 'string' ? [audience] : audience
  if (isNames(names)) return Object.freeze([...names])
  const rule = `must be a string that is not empty, or a list of 1 to ${MAX_NAMES} of them`
  return reader.refuse('audience', audience, rule)
}

function isNames(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_NAMES) return false
  return value.every((name) => typeof name === 'string' && name !== '')
}
