import type { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '@fastify-spiffe/tls'

/** A caller that a JWT-SVID has proven, and no handshake. Frozen, and the same object for all requests with one token. */
export interface TokenPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  /** When the token ends, in ms since the epoch, `clockSkewMs` included. */
  readonly notAfter: number
  /** By a token, which whoever has it can use. */
  readonly proof: 'jwt-svid'
  /** All services that the token is for. */
  readonly audience: readonly string[]
  /** All claims of the token. The issuer has signed them; what those of other names mean is between it and the service. */
  readonly claims: Readonly<Record<string, unknown>>
  /** A token has no certificate. */
  readonly fingerprint256: null
  /** A token has no certificate. */
  readonly serialNumber: null
  /** A token has no certificate. */
  readonly subjectAltNames: null
}

/**
 * The verified caller, frozen: proven at the handshake, and then the same object for all requests of a connection; or proven by a
 * token, where the plugin `peer` has the option `jwt`. `proof` tells which.
 */
export type Peer = ConnectionPeer | TokenPeer

// Here, because the plugin `peer` makes these decorators, and `authz` reads them.
declare module 'fastify' {
  interface FastifyRequest {
    /** The proven SPIFFE ID of the caller; `null` for one without a certificate, if the server allows that. */
    readonly spiffeId: SpiffeId | null
    /** The caller with the details of its proof; `null` as for `spiffeId`. */
    readonly peer: Peer | null
  }

  interface FastifyInstance {
    /**
     * Disconnects the callers for which `predicate` returns true, such as those that a new policy refuses.
     * Pending requests are answered, new ones on the same connections get 401, and the connections are
     * closed. A caller that connects again is verified again and accepted: whether it may do anything is
     * for the policy to decide.
     *
     * The predicate is called once for each caller that a handshake has proven. When it throws, nobody is disconnected.
     *
     * @returns the number of callers; connections with the same certificate are one caller
     * @throws `TlsError` `invalid-option` when the predicate does not return a boolean
     */
    readonly disconnectPeers: (predicate: (peer: ConnectionPeer) => boolean) => number
    /**
     * Returns the names of the trust domains whose bundles the service has now, for certificates or for tokens: only their
     * members can be verified. `null` when the server verifies nobody, as with `inject`.
     */
    readonly provableTrustDomains: () => ReadonlySet<string> | null
  }
}
