/** Whether a client has to present a certificate. One that does not verify is rejected in both modes. */
export type ClientCertificateMode = 'required' | 'optional'

/** What a server does with a connection when the proof of its peer is no longer valid. */
export type OnPeerExpiry = 'graceful' | 'immediate' | 'ignore'
