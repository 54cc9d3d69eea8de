import { describeCause } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import { detachedCopy, latin1, sameBytes } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import type { Name } from './name.ts'
import { REVOCATION_LISTS } from './pem-kinds.ts'
import { readPem } from './pem.ts'
import { isSignedByKeyOf } from './signature.ts'
import { readRevocationList, type RevocationListFields } from './tbs-cert-list.ts'

/** About 400,000 entries. */
const MAX_BYTES = 16 * 1024 * 1024

/** A list has one signer; a few keys of the same name may have to be tried to find it. */
const MAX_REMEMBERED_KEYS = 16

/**
 * One certificate revocation list, read strictly (RFC 5280 §5, DER): a complete list of the
 * certificates that its issuer has revoked. It says what it says, and proves nothing: a list counts
 * for a certificate once the key that signed the certificate has signed the list. Immutable.
 */
export class RevocationList {
  /** The DER. Not to be written to. */
  readonly raw: Buffer
  readonly issuer: Name
  /** When it was issued, in milliseconds since the epoch. */
  readonly thisUpdate: number
  /** When the next one is due at the latest: it is current up to and including it. Milliseconds since the epoch. */
  readonly nextUpdate: number
  /** Of lists that were issued in the same second the one with the larger number is the later; -1 when it has none. */
  readonly number: bigint
  /** Hexadecimal; `undefined` when the list does not say. A hint, no proof. */
  readonly authorityKeyId: string | undefined
  readonly #fields: RevocationListFields
  // By key. Whoever asks after the first time learns it without a signature check.
  readonly #signers = new Map<string, boolean>()

  private constructor(raw: Buffer) {
    const fields = readFields(raw)
    this.raw = raw
    this.issuer = fields.issuer
    this.thisUpdate = fields.thisUpdate
    this.nextUpdate = fields.nextUpdate
    this.number = fields.number
    this.authorityKeyId = fields.authorityKeyId
    this.#fields = fields
    Object.freeze(this)
  }

  /**
   * Reads exactly one list, of 16 MiB at most; octets after it are refused.
   * @throws {@link SpiffeError} `invalid-revocation-list`; `unsupported-revocation-list` for one
   *   that is a delta, is indirect, covers only a part of the certificates, or has a critical
   *   extension that is not understood: such a list must not be used
   */
  static fromDer(der: Uint8Array): RevocationList {
    if (der.length > MAX_BYTES) {
      const message = `a revocation list of ${der.length} bytes is longer than ${MAX_BYTES}`
      throw new SpiffeError('invalid-revocation-list', message)
    }
    return new RevocationList(detachedCopy(der))
  }

  /**
   * The lists of a PEM file (`X509 CRL`), in order, and at least one; other blocks in it are passed
   * over. A file without a list, also an empty file, is an error and not an empty list: that would
   * silently revoke nobody.
   * @throws {@link SpiffeError} `invalid-pem`, or as {@link RevocationList.fromDer}
   */
  static fromPem(pem: string | Uint8Array): RevocationList[] {
    return readPem(pem, REVOCATION_LISTS).map(({ der }) => RevocationList.fromDer(der))
  }

  /** How many certificates are revoked. */
  get size(): number {
    return this.#fields.serialNumbers.size
  }

  /** Whether the list names the serial number, written as in `Certificate.serialNumber`. */
  has(serialNumber: string): boolean {
    return this.#fields.serialNumbers.has(serialNumber)
  }

  /** Whether the next list is not due yet. Written so that a clock which gives NaN says no. */
  isCurrent(now: number): boolean {
    // RFC 5280 §6.3.3 a: the next update alone decides. The clock of the issuer may be ahead.
    return now <= this.nextUpdate
  }

  /**
   * Whether the key of `issuer`, which has to have the list's name, signed the list. One signature
   * check for each key, which is remembered. Never throws.
   */
  isSignedBy(issuer: Certificate): boolean {
    const known = this.knownSigner(issuer)
    if (known !== undefined) return known
    const result = isSignedByKeyOf(issuer, this.#fields)
    if (this.#signers.size >= MAX_REMEMBERED_KEYS) this.#signers.clear()
    this.#signers.set(latin1(issuer.publicKey.spki), result)
    return result
  }

  /** What {@link isSignedBy} can say without a signature check; `undefined` when it takes one. */
  knownSigner(issuer: Certificate): boolean | undefined {
    if (!this.issuer.equals(issuer.subject)) return false
    return this.#signers.get(latin1(issuer.publicKey.spki))
  }

  /** Whether both are the same list, octet for octet. */
  equals(other: RevocationList): boolean {
    return this === other || sameBytes(this.raw, other.raw)
  }

  toJSON(): Record<string, unknown> {
    const { thisUpdate, nextUpdate, size } = this
    return { thisUpdate, nextUpdate, size }
  }
}

function readFields(raw: Buffer): RevocationListFields {
  try {
    return readRevocationList(raw)
  } catch (cause) {
    if (cause instanceof SpiffeError && cause.code === 'unsupported-revocation-list') throw cause
    const reason = describeCause(cause)
    const message = `not a revocation list: ${reason}`
    throw new SpiffeError('invalid-revocation-list', message, { cause })
  }
}
