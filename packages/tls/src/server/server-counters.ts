/** What a server has seen since it was made. */
export interface ServerCounters {
  /** Connections let in, with a proven peer or (where that is allowed) without a certificate. */
  accepted: number
  /** Connections cut after the handshake. */
  rejected: number
  /** Handshakes that did not come about: TLS 1.2, plain HTTP, port scans, no SVID to present. */
  handshakesFailed: number
}
