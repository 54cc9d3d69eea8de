import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** A certificate chain that a harness has presented. */
export interface PresentedIdentity {
  /** Of the leaf, in lower-case hexadecimal. */
  readonly serialNumber: string
  /** The first URI of the leaf. */
  readonly spiffeId: string | undefined
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
}

const MAX_CERTIFICATES = 10

/** What the other end of a connection has presented, if anything. */
export function identityOf(socket: TLSSocket): PresentedIdentity | null {
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) return null
  const chain: Buffer[] = []
  for (
    let next: X509Certificate | undefined = leaf;
    next !== undefined && chain.length < MAX_CERTIFICATES;
    next = next.issuerCertificate
  ) {
    chain.push(next.raw)
  }
  return {
    serialNumber: serialOf(leaf),
    spiffeId: /(?:^|, )URI:(spiffe:[^,]+)/.exec(leaf.subjectAltName ?? '')?.[1],
    chain,
  }
}

/** The serial number of a certificate, comparable. */
export function serialOf({ serialNumber }: { readonly serialNumber: string }): string {
  return serialNumber.toLowerCase().replace(/^0+/, '')
}
