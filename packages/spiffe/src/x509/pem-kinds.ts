/** What a reader wants of a PEM file. */
export interface PemKind {
  /** Its name in messages, with its article. */
  readonly name: string
  /** The labels that are read, the usual one first. */
  readonly labels: readonly [string, ...string[]]
  /** Labels under which the same may stand, but which are not read: passed over, it would be lost. */
  readonly unread: RegExp
}

export const CERTIFICATES: PemKind = {
  name: 'a certificate',
  labels: ['CERTIFICATE'],
  unread:
    /^(?:(?:X\.?509|TRUSTED|OPENSSL TRUSTED) CERTIFICATE|CERTIFICATE CHAIN|PKCS ?#?7\b.*|CMS)$/,
}

export const REVOCATION_LISTS: PemKind = {
  name: 'a revocation list',
  labels: ['X509 CRL'],
  unread: /CRL|REVOCATION|^PKCS ?#?7\b|^CMS$/,
}

export const PRIVATE_KEYS: PemKind = {
  name: 'a private key',
  labels: ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'],
  unread: /\bPRIVATE KEY\b/,
}
