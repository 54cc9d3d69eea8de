import {
  MAX_CLOCK_SKEW_MS,
  RevocationPolicies,
  SpiffeError,
  type RevocationOptions,
  type RevocationPolicy,
} from '@fastify-spiffe/spiffe'
import {
  describeName,
  describeValue,
  sourceFault,
  unknownOption,
} from '@fastify-spiffe/spiffe/internal'
import { TlsError } from './errors.ts'

// Each of these would put another identity on the wire, trust someone else's authorities, or let
// sessions resume past the verifier.
const forbidden: ReadonlySet<string> = new Set([
  'ALPNCallback',
  'SNICallback',
  'allowPartialTrustChain',
  'ca',
  'cert',
  'checkServerIdentity',
  'ciphers',
  'clientCertEngine',
  'crl',
  'key',
  'maxCachedSessions',
  'passphrase',
  'pfx',
  'privateKeyEngine',
  'privateKeyIdentifier',
  'pskCallback',
  'rejectUnauthorized',
  'requestCert',
  'secureContext',
  'secureOptions',
  'secureProtocol',
  'session',
  'sessionIdContext',
  'sessionTimeout',
  'ticketKeys',
])

/** @throws {@link TlsError} `forbidden-option` or `unknown-option`, naming the first one that is not known */
export const assertKnownOptions = (
  options: object,
  known: ReadonlySet<string>,
  owner: string,
): void => {
  const name = unknownOption(options, known)
  if (name === undefined) return
  if (forbidden.has(name)) {
    throw new TlsError('forbidden-option', `${owner} sets '${name}' itself: leave it out`)
  }
  throw new TlsError('unknown-option', `${owner} has no option '${describeName(name)}'`)
}

/** @throws {@link TlsError} `invalid-option` */
export const assertOneOf = (name: string, value: unknown, allowed: readonly unknown[]): void => {
  if (!allowed.includes(value)) {
    const list = allowed
      .filter((item) => item !== undefined)
      .map((item) => JSON.stringify(item))
      .join(' or ')
    throw new TlsError('invalid-option', `${name} must be ${list}, not ${describeValue(value)}`)
  }
}

/** @throws {@link TlsError} `invalid-option` */
export const assertInteger = (name: string, value: unknown, min: number, max: number): void => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return
  const message = `${name} must be an integer from ${min} to ${max}, not ${describeValue(value)}`
  throw new TlsError('invalid-option', message)
}

/** @throws {@link TlsError} `invalid-option` */
export const assertPositiveInteger = (name: string, value: unknown, max: number): void =>
  assertInteger(name, value, 1, max)

/** @throws {@link TlsError} `invalid-option` */
export const assertSource = (source: unknown): void => {
  const fault = sourceFault(source)
  if (fault !== undefined) throw new TlsError('invalid-option', `source ${fault}`)
}

/** @throws {@link TlsError} `invalid-option` */
export const assertClockSkew = (clockSkewMs: unknown): void =>
  assertInteger('clockSkewMs', clockSkewMs, 0, MAX_CLOCK_SKEW_MS)

/** @throws {@link TlsError} `unknown-option` or `invalid-option` */
export const revocationPolicies = (
  revocation: RevocationPolicy | RevocationOptions | undefined,
): RevocationPolicies => {
  try {
    return RevocationPolicies.of(revocation)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    const code = cause.code === 'unknown-option' ? cause.code : 'invalid-option'
    throw new TlsError(code, `revocation: ${cause.message}`, { cause })
  }
}
