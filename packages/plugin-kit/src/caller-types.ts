import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '@fastify-spiffe/tls'

/** The verified caller: proven at the handshake, frozen, the same object for all requests of a connection. */
export type Peer = ConnectionPeer

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
     * The predicate is called once for each caller. When it throws, nobody is disconnected.
     *
     * @returns the number of callers; connections with the same certificate are one caller
     * @throws `TlsError` `invalid-option` when the predicate does not return a boolean
     */
    readonly disconnectPeers: (predicate: (peer: Peer) => boolean) => number
    /**
     * Returns the names of the trust domains whose bundles the service has now: only their members can be
     * verified. `null` when the server verifies nobody, as with `inject`.
     */
    readonly provableTrustDomains: () => ReadonlySet<string> | null
  }
}
