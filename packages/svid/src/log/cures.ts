/** What an operator can do about clients that are cut; by the code of `spiffe:peer:rejected`. */
const cures: Readonly<Record<string, string>> = {
  'bad-signature': 'compare the bundle of the trust domain with the authority of the client',
  'empty-bundle': 'let the trust domain publish its authorities',
  expired: 'look at the agent of the client, and at the clocks of both',
  'no-certificate':
    "give the client an SVID to present, or set clientCertificate: 'optional' where callers without one may come in",
  'no-path': 'compare the bundle of the trust domain with the authority of the client',
  'no-uri-san': 'let the client present an SVID: this certificate has no SPIFFE ID',
  'not-yet-valid': 'look at the clocks of both',
  revoked: 'let the client get another SVID',
  'revocation-unknown': 'supply current revocation lists, or set revocation for its trust domain',
  'session-resumed': 'let the client shake hands in full',
  'unknown-trust-domain':
    'federate the trust domain: its bundle has to come with the SVID of this server',
}

export const cureOf = (code: string): string =>
  Object.hasOwn(cures, code) ? (cures[code] ?? OTHER) : OTHER

const OTHER = 'let the authority of the client issue it an X.509-SVID that keeps to the standard'
