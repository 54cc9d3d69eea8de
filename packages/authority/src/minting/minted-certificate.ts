import type { KeyObject } from 'node:crypto'
import { X509Svid } from '@fastify-spiffe/spiffe'
import type { KeyPair } from './key-pair.ts'
import { toPem } from './pem.ts'

/** A certificate made from a template, with its chain and key. Logs and JSON do not show the key. */
export class MintedCertificate {
  /** What is presented, leaf first; each is the DER of one certificate. */
  readonly chain: readonly Buffer[]
  readonly #privateKey: KeyObject
  readonly #keyPair: KeyPair

  constructor(chain: readonly Buffer[], keyPair: KeyPair, privateKey: KeyObject) {
    this.chain = chain
    this.#keyPair = keyPair
    this.#privateKey = privateKey
  }

  /** The chain as concatenated DER, leaf first: what the Workload API calls `x509_svid`. */
  get certificates(): Buffer {
    return Buffer.concat(this.chain)
  }

  /** The chain as PEM, leaf first. */
  get certificatesPem(): string {
    return this.chain.map((der) => toPem('CERTIFICATE', der)).join('')
  }

  /** The private key as unencrypted PKCS#8, DER: what the Workload API calls `x509_svid_key`. */
  get privateKey(): Buffer {
    return this.#privateKey.export({ format: 'der', type: 'pkcs8' })
  }

  /** The private key as unencrypted PKCS#8, PEM. */
  get privateKeyPem(): string {
    return toPem('PRIVATE KEY', this.privateKey)
  }

  /** The key that is certified, for another certificate with the same key. */
  get keyPair(): KeyPair {
    return this.#keyPair
  }

  /**
   * Reads the certificate as an X.509-SVID.
   * @throws {@link SpiffeError} `invalid-svid`, `invalid-certificate` or `key-mismatch`, when it is not a good one
   */
  toX509Svid({
    hint = '',
    clock = Date.now,
  }: { hint?: string; clock?: () => number } = {}): X509Svid {
    return X509Svid.fromDer({
      certificates: this.certificates,
      privateKey: this.privateKey,
      hint,
      clock,
    })
  }

  toJSON(): { certificates: string } {
    return { certificates: this.certificatesPem }
  }
}
