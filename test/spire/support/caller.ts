import type { X509MaterialSource } from '@fastify-spiffe/spiffe'

/** How long one request of a caller may take. */
export const REQUEST_TIMEOUT_MS = 10_000

export interface CallerOptions {
  /** What the caller presents, and what it verifies the service against. */
  readonly source: X509MaterialSource
  /** The SPIFFE ID that the service must have. */
  readonly server: string
  readonly port: number
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** A client of one service. */
export interface Caller extends AsyncDisposable {
  /** How many connections have carried requests so far. */
  readonly connections: number
  get(path: string): Promise<Answer>
}
