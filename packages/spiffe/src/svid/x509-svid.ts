import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { SpiffeError } from '../errors.ts'
import { inspectAsText } from '../id/inspect.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import { sameBytes } from '../x509/bytes.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readPemCertificates, splitCertificates } from '../x509/certificates.ts'
import { leafRefusal, readClaimedId } from '../verify/leaf-profile.ts'
import { writePem } from '../x509/pem.ts'
import { jwsAlgorithmOf, JWS_HASHES, type JwsAlgorithm } from './jws-algorithm.ts'
import { readPemPrivateKey, readPkcs8 } from './private-key.ts'

/** More than fit into one message of TLS. */
const MAX_CERTIFICATES = 512

/** Options of {@link X509Svid.fromDer} and {@link X509Svid.fromPem}. */
export interface X509SvidOptions {
  /** The operator's word for what the SVID is for (Workload API §5.2.1). Default: none. */
  readonly hint?: string
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** An X.509-SVID as the Workload API sends it. */
export interface DerSvid extends X509SvidOptions {
  /** Concatenated DER, leaf first. */
  readonly certificates: Uint8Array
  /** Unencrypted PKCS#8. */
  readonly privateKey: Uint8Array
}

/** An X.509-SVID as it is kept in PEM files. */
export interface PemSvid extends X509SvidOptions {
  /** Leaf first. */
  readonly certificates: string | Uint8Array
  /** PKCS#8, SEC 1 or PKCS#1, not encrypted. */
  readonly privateKey: string | Uint8Array
}

/**
 * The workload's own X.509-SVID: its certificates and its key. Immutable. Only
 * {@link exportPrivateKeyPem} returns the key: JSON, `util.inspect` and errors do not show it.
 */
export class X509Svid {
  readonly spiffeId: SpiffeId
  /** Leaf first, then the intermediates. */
  readonly certificates: readonly Certificate[]
  /** `''` when there is none. */
  readonly hint: string
  readonly #privateKey: KeyObject

  static {
    inspectAsText(this)
  }

  private constructor(
    certificates: readonly Certificate[],
    privateKey: KeyObject,
    { hint = '', clock = Date.now }: X509SvidOptions,
  ) {
    const [leaf, ...intermediates] = certificates
    if (leaf === undefined) throw invalidSvid('there is no certificate')
    this.spiffeId = readProfile(leaf, intermediates)
    // Written so that a clock which gives NaN refuses.
    if (!(clock() <= leaf.notAfter)) {
      throw invalidSvid(`it expired at ${new Date(leaf.notAfter).toISOString()}`)
    }
    assertKeyPair(leaf, privateKey)
    this.certificates = Object.freeze([...certificates])
    this.hint = hint
    this.#privateKey = privateKey
    Object.freeze(this)
  }

  /**
   * Reads what the Workload API sends.
   * @throws {@link SpiffeError} `invalid-der`, `invalid-certificate`, `invalid-key`, `key-mismatch`,
   * or `invalid-svid` for certificates that are not an X.509-SVID, or have expired
   */
  static fromDer(input: DerSvid): X509Svid {
    const certificates = splitCertificates(input.certificates, MAX_CERTIFICATES)
    return new X509Svid(certificates, readPkcs8(input.privateKey), input)
  }

  /**
   * Reads PEM files.
   * @throws as {@link fromDer}, and {@link SpiffeError} `invalid-pem`
   */
  static fromPem(input: PemSvid): X509Svid {
    const certificates = readPemCertificates(input.certificates)
    return new X509Svid(certificates, readPemPrivateKey(input.privateKey), input)
  }

  get leaf(): Certificate {
    return this.certificates[0]!
  }

  /** Milliseconds since the epoch; of the leaf. */
  get notBefore(): number {
    return this.leaf.notBefore
  }

  /** Milliseconds since the epoch; of the leaf, which is valid up to and including it. */
  get notAfter(): number {
    return this.leaf.notAfter
  }

  isExpired(now: number): boolean {
    return !(now <= this.notAfter)
  }

  /** Leaf first. */
  exportCertificatesPem(): string {
    return this.certificates.map(({ raw }) => writePem('CERTIFICATE', raw)).join('')
  }

  /** The private key as unencrypted PKCS#8, for `node:tls`. Never write it to a file or a log. */
  exportPrivateKeyPem(): string {
    return this.#privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  }

  /** How {@link sign} signs: `ES256` with a key on P-256, `ES384` with one on P-384; `null` with any other. */
  get jwsAlgorithm(): JwsAlgorithm | null {
    return jwsAlgorithmOf(this.leaf.publicKey)
  }

  /**
   * Signs octets with the private key, in the format of JWS: r and s, each as long as a coordinate (RFC 7518 §3.4).
   *
   * The same key signs handshakes of TLS, so sign only what cannot be taken for anything else that is signed with
   * it: the signing input of a JWS whose `typ` is its own (RFC 8725 §3.11). An RSA key does not sign: where TLS
   * also decrypts with it, that can be made to forge signatures.
   *
   * @throws {@link SpiffeError} `invalid-key` when the key is neither on P-256 nor on P-384
   */
  sign(data: Uint8Array): Buffer {
    const algorithm = this.jwsAlgorithm
    if (algorithm === null) {
      throw new SpiffeError('invalid-key', 'only keys on P-256 and P-384 sign outside of TLS')
    }
    return sign(JWS_HASHES[algorithm], data, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' })
  }

  /** Whether both have the same certificates, hence the same key, and the same hint. */
  equals(other: X509Svid): boolean {
    return (
      this.hint === other.hint &&
      this.certificates.length === other.certificates.length &&
      this.certificates.every((certificate, index) =>
        certificate.equals(other.certificates[index]!),
      )
    )
  }

  toJSON(): Record<string, unknown> {
    const { spiffeId, hint, notBefore, notAfter } = this
    const { serialNumber, fingerprint256 } = this.leaf
    return {
      spiffeId: spiffeId.toString(),
      hint,
      notBefore,
      notAfter,
      serialNumber,
      fingerprint256,
    }
  }

  /** The SPIFFE ID and when it ends. */
  toString(): string {
    return `${this.spiffeId.toString()}, expires ${new Date(this.notAfter).toISOString()}`
  }
}

/** X509-SVID §2 to §4: what the leaf and the signing certificates have to be. */
function readProfile(leaf: Certificate, intermediates: readonly Certificate[]): SpiffeId {
  const claimedId = readClaimedId(leaf)
  if (!(claimedId instanceof SpiffeId)) throw invalidSvid(claimedId.message)
  const refusal = leafRefusal(leaf, claimedId)
  if (refusal !== undefined) throw invalidSvid(refusal.message)
  // X509-SVID §4.1, §4.3: signing certificates are CAs that may sign certificates.
  const stranger = intermediates.findIndex((certificate) => !certificate.isCertificateAuthority)
  if (stranger !== -1) throw invalidSvid(`certificate ${stranger + 2} of the chain is not a CA`)
  return claimedId
}

function assertKeyPair(leaf: Certificate, privateKey: KeyObject): void {
  if (!isKeyPair(leaf, privateKey)) {
    throw new SpiffeError('key-mismatch', 'the private key is not that of the leaf')
  }
}

/** By octets: `KeyObject.equals` on keys of two kinds makes a later, unrelated call fail. */
function isKeyPair(leaf: Certificate, privateKey: KeyObject): boolean {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return sameBytes(spki, leaf.publicKey.spki)
}

function invalidSvid(message: string): SpiffeError {
  return new SpiffeError('invalid-svid', `not a valid X.509-SVID: ${message}`)
}
