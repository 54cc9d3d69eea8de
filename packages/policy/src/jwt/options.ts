import {
  asFunction,
  readOption,
  assertKnown,
  asInteger,
  asDuration,
  asBoolean,
  refuse,
} from '../option-readers.ts'

/**
 * Signatures that a reader of the keys cannot make. `none` and the symmetric algorithms are not
 * among them.
 */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  // RFC 9864 §2.2: the full name of what most issuers call `EdDSA`.
  'Ed25519',
] as const

/** A signature algorithm of tokens, by its name in RFC 7518 §3.1 or RFC 8037. */
export type JwtAlgorithm = (typeof ALGORITHMS)[number]

/** Where the keys of the issuer are. */
export type JwksLocation = { readonly file: string } | { readonly url: string | URL }

/** Which tokens are accepted, and how they are verified. */
export interface JwtClaimsOptions {
  /** The issuer (`iss`) of the tokens. */
  readonly issuer: string
  /** This service, or one of its names, in the audience (`aud`) of the tokens. */
  readonly audience: string | readonly string[]
  /**
   * The accepted signature algorithms; the token does not choose. `EdDSA` and `Ed25519` name the
   * same signatures: list what the issuer writes.
   */
  readonly algorithms: readonly JwtAlgorithm[]
  /** The keys of the issuer, as a JSON Web Key Set (RFC 7517 §5). */
  readonly jwks: JwksLocation
  /** The header that carries the token, in lower case, with or without `Bearer `. Default `authorization`. */
  readonly header?: string
  /**
   * Whether a request without a token is refused. Otherwise all claims are absent; a bad token is refused anyway. Default
   * `true`.
   */
  readonly required?: boolean
  /** Whether the token must name the caller's certificate (`cnf`, RFC 8705 §3): a stolen one is worth nothing then. Default `false`. */
  readonly certificateBound?: boolean
  /** How far the clocks may differ, in milliseconds. Default 0. */
  readonly clockToleranceMs?: number
  /**
   * How long the keys are not fetched again, however many tokens name unknown ones, in
   * milliseconds. Default 30 000.
   */
  readonly cooldownMs?: number
  /** Octets of a token; a longer one is refused unread. Default 8192. */
  readonly maxTokenBytes?: number
  /**
   * Tokens of the callers of one trust domain whose claims are cached until they expire; its
   * tenants share them. Default 1000.
   */
  readonly maxCachedTokens?: number
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** The options, checked and complete. */
export type JwtClaimsSettings = Required<JwtClaimsOptions>

const KEYS = [
  'issuer',
  'audience',
  'algorithms',
  'jwks',
  'header',
  'required',
  'certificateBound',
  'clockToleranceMs',
  'cooldownMs',
  'maxTokenBytes',
  'maxCachedTokens',
  'clock',
]

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readJwtOptions(options: JwtClaimsOptions): JwtClaimsSettings {
  assertKnown('jwtClaims', options, KEYS)
  const { issuer, audience, algorithms, jwks } = options
  return {
    issuer: isText(issuer) ? issuer : refuse('jwtClaims.issuer', issuer, 'is required'),
    audience: isAudience(audience)
      ? audience
      : refuse('jwtClaims.audience', audience, 'must be a string, or a list of strings'),
    algorithms: areAlgorithms(algorithms)
      ? algorithms
      : refuse('jwtClaims.algorithms', algorithms, `must be some of ${ALGORITHMS.join(', ')}`),
    jwks: readLocation(jwks),
    header: readOption(
      'jwtClaims.header',
      options.header,
      'authorization',
      isHeader,
      'must be the name of a header in lower case',
    ),
    required: asBoolean('jwtClaims.required', options.required, true),
    certificateBound: asBoolean('jwtClaims.certificateBound', options.certificateBound, false),
    clockToleranceMs: asInteger('jwtClaims.clockToleranceMs', options.clockToleranceMs, 0, 0),
    cooldownMs: asDuration('jwtClaims.cooldownMs', options.cooldownMs, 30_000),
    maxTokenBytes: asInteger('jwtClaims.maxTokenBytes', options.maxTokenBytes, 8192, 1),
    maxCachedTokens: asInteger('jwtClaims.maxCachedTokens', options.maxCachedTokens, 1000, 1),
    clock: asFunction('jwtClaims.clock', options.clock, Date.now),
  }
}

function readLocation(jwks: unknown): JwksLocation {
  if (typeof jwks === 'object' && jwks !== null) {
    assertKnown('jwtClaims.jwks', jwks, ['file', 'url'])
    if ('file' in jwks && !('url' in jwks) && isText(jwks.file)) return { file: jwks.file }
    if ('url' in jwks && !('file' in jwks) && isUrl(jwks.url)) return { url: jwks.url }
  }
  return refuse(
    'jwtClaims.jwks',
    jwks,
    'must be { file } or { url }, over https and without a password',
  )
}

/**
 * Keys that are not encrypted on the way could be anybody's keys. On loopback nobody is in between.
 */
function isUrl(url: unknown): url is string | URL {
  if (!(typeof url === 'string' || url instanceof URL) || !URL.canParse(url.toString()))
    return false
  const { protocol, hostname, username, password } = new URL(url)
  if (username !== '' || password !== '') return false
  const isLoopback = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isAudience(value: unknown): value is string | readonly string[] {
  return isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
}

function areAlgorithms(value: unknown): value is readonly JwtAlgorithm[] {
  const known: readonly unknown[] = ALGORITHMS
  return Array.isArray(value) && value.length > 0 && value.every((each) => known.includes(each))
}

function isHeader(value: unknown): boolean {
  return typeof value === 'string' && /^[a-z0-9-]+$/.test(value)
}
