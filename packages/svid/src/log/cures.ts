/** What an operator can do about rejected clients, by the code of `spiffe:peer:rejected`. */
const cures: Readonly<Record<string, string>> = {
  'bad-signature': 'compare the bundle of the trust domain with the authority of the client',
  'empty-bundle': 'make the trust domain publish its authorities',
  expired: 'check the agent of the client, and the clocks of both',
  'no-certificate':
    "give the client an SVID to present, or set clientCertificate: 'optional' to accept callers without one",
  'no-path': 'compare the bundle of the trust domain with the authority of the client',
  'no-uri-san': 'make the client present an SVID: this certificate has no SPIFFE ID',
  'not-yet-valid': 'check the clocks of both',
  revoked: 'get another SVID for the client',
  'revocation-unknown': 'supply current revocation lists, or set revocation for its trust domain',
  'session-resumed': 'make the client do a full handshake',
  'unknown-trust-domain':
    'federate with the trust domain: its bundle has to come with the SVID of this server',
}

export function cureOf(code: string): string {
  return Object.hasOwn(cures, code) ? (cures[code] ?? OTHER) : OTHER
}

const OTHER = 'make the authority of the client issue an X.509-SVID that conforms to the standard'
