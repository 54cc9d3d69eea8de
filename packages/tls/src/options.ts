import {
  MAX_CLOCK_SKEW_MS,
  RevocationPolicies,
  SpiffeError,
  type RevocationOptions,
  type RevocationPolicy,
} from '@fastify-spiffe/spiffe'
import { OptionReader, sourceFault, unknownOption } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from './errors.ts'

// Each of these would present another identity, trust other authorities, or resume sessions without
// verification.
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

/** Reads the options of this package. */
export const reader: OptionReader = new OptionReader(TlsError)

/** @throws {@link TlsError} `forbidden-option` or `unknown-option`, which names the first unknown option */
export function assertKnownOptions(
  options: object,
  known: ReadonlySet<string>,
  owner: string,
): void {
  const name = unknownOption(options, known)
  if (name !== undefined && forbidden.has(name)) {
    throw new TlsError('forbidden-option', `${owner} sets '${name}' itself: remove it`)
  }
  reader.assertKnown(owner, options, known)
}

/** @throws {@link TlsError} `invalid-option` */
export function assertSource(source: unknown): void {
  const fault = sourceFault(source)
  if (fault !== undefined) throw new TlsError('invalid-option', `source ${fault}`)
}

/** @throws {@link TlsError} `invalid-option` */
export function assertClockSkew(clockSkewMs: number): void {
  reader.asInteger('clockSkewMs', clockSkewMs, { min: 0, max: MAX_CLOCK_SKEW_MS })
}

/** @throws {@link TlsError} `unknown-option` or `invalid-option` */
export function revocationPolicies(
  revocation: RevocationPolicy | RevocationOptions | undefined,
): RevocationPolicies {
  try {
    return RevocationPolicies.of(revocation)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    const code = cause.code === 'unknown-option' ? cause.code : 'invalid-option'
    throw new TlsError(code, `revocation: ${cause.message}`, { cause })
  }
}
