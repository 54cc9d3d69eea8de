import type { Peer } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type {
  JwtBundleHolder,
  JwtRefusalCode,
  JwtSvidVerifier,
  JwtVerification,
  VerifiedJwtSvid,
} from '@fastify-spiffe/spiffe/jwt-svid'
import type { ConnectionPeer } from '@fastify-spiffe/tls'
import { bindingOf } from './confirmation.ts'
import type { DecidingProof, TokenSettings } from './options.ts'
import { tokenPeerOf } from './token-peer.ts'

/** Why the token of a request is refused, for the log: the verifier's code, or one of these. */
export type TokenRefusalCode =
  | JwtRefusalCode
  /** `Authorization` occurs more than once, or does not have the form of RFC 6750 §2.1. */
  | 'malformed-header'
  /** The token and the certificate name different SPIFFE IDs. */
  | 'proofs-disagree'
  /** `cnf` names another certificate than that of the connection, or a method that is not `x5t#S256`. */
  | 'wrong-certificate'
  /** `certificateBound` demands `cnf`, which the token does not have. */
  | 'not-bound'
  /** The verifier failed. */
  | 'failed'

export interface TokenRefusal {
  readonly code: TokenRefusalCode
  /** Not proven. */
  readonly claimedId?: SpiffeId
}

/** Who calls with a token, or why that is nobody. */
export type TokenOutcome =
  | { readonly ok: true; readonly peer: Peer; readonly svid: VerifiedJwtSvid }
  | ({ readonly ok: false } & TokenRefusal)

/** Finds who calls with a token, beside the certificate of the connection or without one. */
export class TokenProof {
  readonly source: JwtBundleHolder
  readonly #verifier: JwtSvidVerifier
  readonly #decides: DecidingProof | null
  readonly #certificateBound: boolean

  constructor(verifier: JwtSvidVerifier, source: JwtBundleHolder, settings: TokenSettings) {
    this.#verifier = verifier
    this.source = source
    this.#decides = settings.decides
    this.#certificateBound = settings.certificateBound
  }

  /** Whether it is the token that says who calls, whatever the certificate says. */
  get isTokenDecisive(): boolean {
    return this.#decides === 'jwt-svid'
  }

  /** The verdict on a token that was accepted before; `undefined` says nothing. Never throws. */
  cached(token: string): JwtVerification | undefined {
    try {
      return this.#verifier.cached(token)
    } catch {
      // A source that throws: `verify` says so.
      return undefined
    }
  }

  /** Never rejects. */
  async verify(token: string): Promise<JwtVerification | null> {
    try {
      return await this.#verifier.verify(token)
    } catch {
      // A source that throws.
      return null
    }
  }

  /** Whether the token is still good that an SVID comes from. */
  holds(svid: VerifiedJwtSvid): boolean {
    try {
      return this.#verifier.holds(svid)
    } catch {
      return false
    }
  }

  /**
   * Who calls.
   *
   * @param verification - `null`: the verifier failed
   * @param connection - who has the certificate of the connection, which is still good; `null`: there is none
   */
  outcomeOf(verification: JwtVerification | null, connection: ConnectionPeer | null): TokenOutcome {
    if (verification === null) return { ok: false, code: 'failed' }
    if (!verification.ok) {
      const { code, claimedId } = verification
      return { ok: false, code, ...(claimedId !== undefined && { claimedId }) }
    }
    const { svid } = verification
    const code = this.#faultOf(svid, connection)
    if (code !== null) return { ok: false, code, claimedId: svid.spiffeId }
    return { ok: true, peer: this.#callerOf(svid, connection), svid }
  }

  #faultOf(svid: VerifiedJwtSvid, connection: ConnectionPeer | null): TokenRefusalCode | null {
    const binding = bindingOf(svid.claims, connection)
    if (binding === 'broken') return 'wrong-certificate'
    if (binding === 'none' && this.#certificateBound) return 'not-bound'
    if (connection === null || this.#decides !== null) return null
    return connection.spiffeId.equals(svid.spiffeId) ? null : 'proofs-disagree'
  }

  /** Where both agree it is the certificate, which nobody can use who has only seen it. */
  #callerOf(svid: VerifiedJwtSvid, connection: ConnectionPeer | null): Peer {
    return connection === null || this.isTokenDecisive ? tokenPeerOf(svid) : connection
  }
}
