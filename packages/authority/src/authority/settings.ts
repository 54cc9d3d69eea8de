import { TrustDomain, type SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { AuthorityError } from '../errors.ts'
import { AUTHORITY_TTL_MS, JWT_SVID_TTL_MS, SVID_TTL_MS } from '../minting/defaults.ts'
import { JWT_KEY_TYPES, type JwtKeyType } from '../minting/jwt-signer.ts'
import type { KeyType } from '../minting/key-pair.ts'
import { reader } from '../options.ts'

/** Options of `Authority.create`. */
export interface AuthorityOptions {
  /** The trust domain, such as `example.org`. */
  readonly trustDomain: TrustDomain | string
  /** How long an SVID lives, in ms. It is replaced at half of that. Default one hour; at least 1,000. */
  readonly svidTtlMs?: number
  /** How long a local authority lives, in ms. Default 24 hours; at least 60,000. */
  readonly authorityTtlMs?: number
  /** The type of the keys of certificates. Default `ec-p256`. */
  readonly keyType?: KeyType
  /** How long a JWT-SVID is valid, in ms. Default five minutes; at least 1,000. */
  readonly jwtSvidTtlMs?: number
  /** The type of the keys that sign JWT-SVIDs. Default `ec-p256`, which signs ES256. */
  readonly jwtKeyType?: JwtKeyType
  /** How many intermediates stand between an authority and its SVIDs. Default 0, at most 8. */
  readonly intermediates?: number
  /**
   * How long a revocation list is current, in ms; a new one is issued at half of that. With it there are lists
   * from the start; without it from the first `revoke` on, for one hour each. At least 10,000.
   */
  readonly revocationListTtlMs?: number
  /** Whether to run with `NODE_ENV=production`, which is refused otherwise. Default `false`. */
  readonly allowProduction?: boolean
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** The timer that renewals wait for. Default: Node's, which does not keep the process alive. */
  readonly setTimer?: SetTimer
}

/** The options with all defaults. */
export interface AuthoritySettings {
  readonly trustDomain: TrustDomain
  readonly svidTtlMs: number
  readonly authorityTtlMs: number
  readonly keyType: KeyType
  readonly jwtSvidTtlMs: number
  readonly jwtKeyType: JwtKeyType
  readonly intermediates: number
  readonly revocationListTtlMs: number | undefined
  readonly clock: () => number
  readonly setTimer: SetTimer
}

const OPTIONS = [
  'trustDomain',
  'svidTtlMs',
  'authorityTtlMs',
  'keyType',
  'jwtSvidTtlMs',
  'jwtKeyType',
  'intermediates',
  'revocationListTtlMs',
  'allowProduction',
  'clock',
  'setTimer',
]

// Certificates count in whole seconds; a year is more than any development run.
const MIN_SVID_TTL_MS = 1000
const MIN_AUTHORITY_TTL_MS = 60_000
const MIN_REVOCATION_LIST_TTL_MS = 10_000
const MAX_TTL_MS = 365 * 86_400_000

const MAX_INTERMEDIATES = 8

/**
 * @throws {@link AuthorityError} `unknown-option`, `invalid-option`, `not-for-production`
 * @throws {@link SpiffeError} `invalid-trust-domain`
 */
export function readSettings(options: AuthorityOptions): AuthoritySettings {
  reader.assertKnown('an authority', options, OPTIONS)
  refuseProduction(options.allowProduction === true)
  const {
    trustDomain,
    keyType = 'ec-p256',
    clock = Date.now,
    setTimer = setUnreferencedTimer,
  } = options
  return {
    trustDomain: trustDomain instanceof TrustDomain ? trustDomain : TrustDomain.parse(trustDomain),
    keyType,
    jwtKeyType: reader.asOneOf('jwtKeyType', options.jwtKeyType, JWT_KEY_TYPES, 'ec-p256'),
    clock,
    setTimer,
    ...readTimes(options),
    intermediates: reader.asInteger('intermediates', options.intermediates, {
      min: 0,
      max: MAX_INTERMEDIATES,
      defaultValue: 0,
    }),
  }
}

type Times = Pick<
  AuthoritySettings,
  'svidTtlMs' | 'jwtSvidTtlMs' | 'authorityTtlMs' | 'revocationListTtlMs'
>

function readTimes(options: AuthorityOptions): Times {
  const { svidTtlMs, jwtSvidTtlMs, authorityTtlMs, revocationListTtlMs } = options
  return {
    jwtSvidTtlMs: reader.asInteger('jwtSvidTtlMs', jwtSvidTtlMs, {
      min: MIN_SVID_TTL_MS,
      max: MAX_TTL_MS,
      defaultValue: JWT_SVID_TTL_MS,
    }),
    svidTtlMs: reader.asInteger('svidTtlMs', svidTtlMs, {
      min: MIN_SVID_TTL_MS,
      max: MAX_TTL_MS,
      defaultValue: SVID_TTL_MS,
    }),
    authorityTtlMs: reader.asInteger('authorityTtlMs', authorityTtlMs, {
      min: MIN_AUTHORITY_TTL_MS,
      max: MAX_TTL_MS,
      defaultValue: AUTHORITY_TTL_MS,
    }),
    revocationListTtlMs:
      revocationListTtlMs === undefined
        ? undefined
        : reader.asInteger('revocationListTtlMs', revocationListTtlMs, {
            min: MIN_REVOCATION_LIST_TTL_MS,
            max: MAX_TTL_MS,
          }),
  }
}

function refuseProduction(allowed: boolean): void {
  if (allowed || process.env['NODE_ENV'] !== 'production') return
  throw new AuthorityError(
    'not-for-production',
    'the embedded authority is for development and tests, and NODE_ENV is production: use SPIRE, ' +
      'or set allowProduction if you know that nothing of value trusts this authority',
  )
}
