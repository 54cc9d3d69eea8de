import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { PeerError } from './errors.ts'

/** Options of the plugin `peer`. Each has a default. */
export interface PeerOptions {
  /** Whether every line of `request.log` has the caller's SPIFFE ID as `spiffeId`. Default `true`. */
  readonly logSpiffeId?: boolean
  /** The time in ms since the epoch, to check the expiry of callers. Default `Date.now`. */
  readonly clock?: () => number
}

const names: readonly (keyof PeerOptions)[] = ['logSpiffeId', 'clock']

const reader: OptionReader = new OptionReader(PeerError)

/** @throws {@link PeerError} `unknown-option` or `invalid-option` */
export function readOptions(options: PeerOptions): Required<PeerOptions> {
  reader.assertKnown('peer', options, [...names, ...FASTIFY_OPTION_NAMES])
  return {
    logSpiffeId: reader.asBoolean('logSpiffeId', options.logSpiffeId, true),
    clock: reader.asFunction('clock', options.clock, Date.now),
  }
}
