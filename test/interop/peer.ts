import type { Workload } from '../spire/fixture/index.ts'

/** By what a peer knows the other end. */
export type Knows = 'SPIFFE ID' | 'DNS name' | 'bundle only'

/** Another program that speaks TLS with X.509-SVIDs, and how this machine comes to it. */
export interface Peer {
  readonly name: string
  /** The programs that must be on the PATH to build or run it. */
  readonly requires: readonly string[]
  /**
   * Builds it, or finds it.
   * @throws LeftOut when this machine cannot have it
   */
  readonly prepare: () => Promise<PeerProgram>
}

/** A peer that can be started. A role that it does not have is a string that says why. */
export interface PeerProgram {
  readonly version: string
  readonly client: ClientRole | string
  readonly server: ServerRole | string
  /** Absent where it knows no JWT-SVIDs. */
  readonly tokens?: TokenRole
}

export interface ClientRole {
  readonly knows: Knows
  /** Whether it has a pool of connections, and so a {@link PeerClient.getKept}. */
  readonly keepsConnections: boolean
  readonly start: (options: ClientOptions) => Promise<PeerClient>
}

export interface ClientOptions {
  /** Whose identity the client takes. */
  readonly workload: Workload
  /** The port of the service on 127.0.0.1. */
  readonly port: number
  /** The SPIFFE ID that the service must have. */
  readonly server: string
}

export interface PeerClient extends AsyncDisposable {
  /**
   * Gets `/orders` on a new connection.
   * @throws Error when either end refuses the other, or the answer is not 200
   */
  get(): Promise<PeerAnswer>
  /** The same on the connection of the last time, for as long as both ends keep it. */
  getKept?(): Promise<PeerAnswer>
}

export interface PeerAnswer {
  /** The SPIFFE ID that the client says the service has proven; null when it does not say. */
  readonly server: string | null
  readonly body: string
}

export interface ServerRole {
  readonly knows: Knows
  /** Whether it tells whom it let in. */
  readonly tellsCaller: boolean
  readonly start: (options: ServerOptions) => Promise<PeerServer>
}

export interface ServerOptions {
  /** Whose identity the server takes. */
  readonly workload: Workload
  /** The SPIFFE IDs that it lets in. */
  readonly callers: readonly string[]
}

/** Answers every request with `{ "caller": … }`: the SPIFFE ID of the caller, or null where it cannot tell. */
export interface PeerServer extends AsyncDisposable {
  readonly port: number
}

export interface TokenRole {
  /** Whether it reaches a Workload API of Node's HTTP/2 over TCP alone: over Unix sockets its requests are refused. */
  readonly needsTcp: boolean
  /** @param address of the Workload API, for the questions that need it */
  readonly start: (address?: string) => TokenPeer
}

/** What a {@link TokenPeer} is asked. Bundles are JSON Web Key Sets, by the name of their trust domain. */
export type TokenQuestion =
  | {
      readonly do: 'verify'
      readonly token: string
      readonly audience: string
      readonly bundles: Readonly<Record<string, string>>
    }
  | { readonly do: 'read'; readonly trustDomain: string; readonly bundle: string }
  /** A token for the audience, from the Workload API. */
  | { readonly do: 'fetch'; readonly audience: string }
  /** Like `verify`, by the bundles that the Workload API has. */
  | { readonly do: 'check'; readonly token: string; readonly audience: string }

/** Of a good answer, what was asked for; of a refusal, the error alone. */
export interface TokenAnswer {
  /** Why not, in the peer's own words. */
  readonly error?: string
  /** The SPIFFE ID that a token proves. */
  readonly id?: string
  readonly token?: string
  /** The names of the JWT authorities of a bundle, sorted. */
  readonly jwt?: readonly string[]
  /** The X.509 authorities of a bundle, DER in base64. */
  readonly x509?: readonly string[]
  /** In decimal digits. */
  readonly sequence?: string
  /** In seconds. */
  readonly refreshHint?: number
}

/** Verifies and fetches JWT-SVIDs, and reads bundles. */
export interface TokenPeer extends AsyncDisposable {
  ask(question: TokenQuestion): Promise<TokenAnswer>
}
