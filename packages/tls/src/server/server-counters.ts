/** Totals since the server was made. */
export interface ServerCounters {
  /** Connections accepted, with a proven peer or, if that is allowed, without a certificate. */
  accepted: number
  /** Connections rejected after the handshake. */
  rejected: number
  /** TLS handshakes that failed: TLS 1.2, plain HTTP, port scans, no SVID to present. */
  handshakesFailed: number
}
