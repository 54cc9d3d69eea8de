import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { describeName, describeValue, unknownOption } from '@fastify-spiffe/spiffe'
import { PeerError } from './errors.ts'

/** What the plugin is registered with. Every option has a default. */
export interface PeerOptions {
  /** Put the caller's SPIFFE ID as `spiffeId` on every line that `request.log` writes. Default true. */
  readonly logSpiffeId?: boolean
  /** The time in ms since the epoch, for the caller's expiry. Default `Date.now`. */
  readonly clock?: () => number
}

const names: readonly (keyof PeerOptions)[] = ['logSpiffeId', 'clock']

/** @throws {@link PeerError} `unknown-option` or `invalid-option` */
export const readOptions = (options: PeerOptions): Required<PeerOptions> => {
  const unknown = unknownOption(options, [...names, ...FASTIFY_OPTION_NAMES])
  if (unknown !== undefined) {
    throw new PeerError('unknown-option', `peer has no option '${describeName(unknown)}'`)
  }
  const { logSpiffeId = true, clock = Date.now } = options
  if (typeof logSpiffeId !== 'boolean') {
    throw new PeerError(
      'invalid-option',
      `logSpiffeId must be a boolean, not ${describeValue(logSpiffeId)}`,
    )
  }
  if (typeof clock !== 'function') {
    throw new PeerError('invalid-option', `clock must be a function, not ${describeValue(clock)}`)
  }
  return { logSpiffeId, clock }
}
