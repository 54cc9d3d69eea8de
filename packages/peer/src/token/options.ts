import type { JwtBundleHolder, JwtSvidVerifierOptions } from '@fastify-spiffe/spiffe/jwt-svid'
import { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { PeerError } from '../errors.ts'

/** Which of two proofs says who calls. */
export type DecidingProof = 'x509-svid' | 'jwt-svid'

/** How JWT-SVIDs are taken as proofs of callers. */
export interface PeerJwtOptions extends Pick<
  JwtSvidVerifierOptions,
  'audience' | 'clockSkewMs' | 'maxTokenBytes' | 'maxCachedTokens'
> {
  /** Where the JWT bundles are, such as a `JwtSource`. Default: the source of the server, if it has `jwtBundles`. */
  readonly source?: JwtBundleHolder
  /**
   * Who calls where a request has a certificate and a token of different SPIFFE IDs. A token that is not good is refused in any case.
   * `x509-svid`: the workload of the certificate. `jwt-svid`: that of the token, as for a gateway that presents its own
   * certificate and passes the tokens of its clients on. Default: such a request is refused.
   */
  readonly decides?: DecidingProof
  /**
   * Whether each token must be bound to the certificate of its connection, by `cnf` with `x5t#S256` (RFC 8705 §3). A token that has
   * `cnf` must be so in any case. Default `false`.
   */
  readonly certificateBound?: boolean
  /**
   * Lets the application listen on plain HTTP, where everybody on the way can read the tokens and use them until they expire: for a
   * gateway that ends TLS on the same machine, or a network that encrypts by itself. Default `false`.
   */
  readonly allowPlaintext?: boolean
}

/** The options of {@link PeerJwtOptions}, checked as far as they are not the verifier's. */
export interface TokenSettings {
  readonly verifier: Omit<JwtSvidVerifierOptions, 'source'>
  readonly source: JwtBundleHolder | undefined
  readonly decides: DecidingProof | null
  readonly certificateBound: boolean
  readonly allowPlaintext: boolean
}

const names: readonly (keyof PeerJwtOptions)[] = [
  'audience',
  'source',
  'clockSkewMs',
  'maxTokenBytes',
  'maxCachedTokens',
  'decides',
  'certificateBound',
  'allowPlaintext',
]

const reader: OptionReader = new OptionReader(PeerError)

/** @throws {@link PeerError} `unknown-option` or `invalid-option` */
export function readTokenOptions(options: PeerJwtOptions, clock: () => number): TokenSettings {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('jwt', options, 'must be an object with audience')
  }
  reader.assertKnown('peer.jwt', options, names)
  const { source, decides, certificateBound, allowPlaintext, ...verifier } = options
  const proofs = ['x509-svid', 'jwt-svid'] as const
  return {
    verifier: { ...verifier, clock },
    source,
    decides: decides === undefined ? null : reader.asOneOf('jwt.decides', decides, proofs),
    certificateBound: reader.asBoolean('jwt.certificateBound', certificateBound, false),
    allowPlaintext: reader.asBoolean('jwt.allowPlaintext', allowPlaintext, false),
  }
}
