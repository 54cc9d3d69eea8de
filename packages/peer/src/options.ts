import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { PeerError } from './errors.ts'
import { readTokenOptions, type PeerJwtOptions, type TokenSettings } from './token/options.ts'

/** Options of the plugin `peer`. Each has a default. */
export interface PeerOptions {
  /** Whether every line of `request.log` has the caller's SPIFFE ID as `spiffeId`. Default `true`. */
  readonly logSpiffeId?: boolean
  /**
   * Accepts JWT-SVIDs from `Authorization: Bearer` as well, with all that is in {@link PeerJwtOptions}. Default: none; the header is not
   * looked at.
   */
  readonly jwt?: PeerJwtOptions
  /** The time in ms since the epoch, to check the expiry of callers. Default `Date.now`. */
  readonly clock?: () => number
}

const names: readonly (keyof PeerOptions)[] = ['logSpiffeId', 'jwt', 'clock']

const reader: OptionReader = new OptionReader(PeerError)

/** The options, checked and complete. */
export interface PeerSettings {
  readonly logSpiffeId: boolean
  readonly clock: () => number
  /** `null`: no token is looked at. */
  readonly tokens: TokenSettings | null
}

/** @throws {@link PeerError} `unknown-option` or `invalid-option` */
export function readOptions(options: PeerOptions): PeerSettings {
  reader.assertKnown('peer', options, [...names, ...FASTIFY_OPTION_NAMES])
  const { jwt } = options
  const clock = reader.asFunction('clock', options.clock, Date.now)
  return {
    logSpiffeId: reader.asBoolean('logSpiffeId', options.logSpiffeId, true),
    clock,
    tokens: jwt === undefined ? null : readTokenOptions(jwt, clock),
  }
}
