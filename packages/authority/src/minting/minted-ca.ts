import { Certificate, type SpiffeId, type TrustDomain } from '@fastify-spiffe/spiffe'
import { caDefaults, keyTypeLike, leafDefaults } from './defaults.ts'
import { issueCertificate, type Issuer } from './issue.ts'
import { generateKeyPair, type KeyPair } from './key-pair.ts'
import { MintedCertificate } from './minted-certificate.ts'
import { toPem } from './pem.ts'
import { issueRevocationList } from './revocation-list.ts'
import {
  checkTemplate,
  type CertificateTemplate,
  type RevocationListTemplate,
  type SigningCa,
  type SvidTemplate,
} from './template.ts'

/** The trust domain of a new CA, and the CA above it. */
export interface MintedCaPlace {
  readonly trustDomain: TrustDomain
  readonly clock: () => number
  /** The CA above it, for an intermediate. An anchor has none. */
  readonly parent?: MintedCa
}

/**
 * A certificate authority made from a template. It mints certificates from any template. `mintRootCa`
 * makes an anchor, {@link MintedCa.mintCa} an intermediate. Logs and JSON do not show the key.
 */
export class MintedCa {
  readonly trustDomain: TrustDomain
  /** The DER of the CA's own certificate. */
  readonly der: Buffer
  /** The CA's distinguished name, in the notation of {@link CertificateTemplate.subject}. */
  readonly subject: string
  /** The intermediates that go with what this CA issues, nearest first, as DER; an anchor has none. */
  readonly chain: readonly Buffer[]
  /** The CA above it, which minted it; an anchor has none. */
  readonly parent: MintedCa | undefined
  readonly #keyPair: KeyPair
  readonly #clock: () => number
  #certificate: Certificate | undefined

  private constructor(place: MintedCaPlace, der: Buffer, subject: string, keyPair: KeyPair) {
    this.trustDomain = place.trustDomain
    this.der = der
    this.subject = subject
    this.parent = place.parent
    this.chain = place.parent === undefined ? [] : [der, ...place.parent.chain]
    this.#keyPair = keyPair
    this.#clock = place.clock
  }

  /**
   * Makes a CA; without a parent and without `template.signedBy` it signs itself.
   * @throws {@link AuthorityError} `unmintable`
   */
  static async create(place: MintedCaPlace, template: CertificateTemplate): Promise<MintedCa> {
    checkTemplate('ca', template)
    const keyPair =
      template.keyPair ?? (await generateKeyPair(template.keyType ?? keyTypeAt(place)))
    const defaults = caDefaults(place.trustDomain, template.subject, place.clock())
    const { subject } = defaults
    const issuer = issuerOf(template.signedBy ?? place.parent ?? 'self', keyPair, subject)
    const der = await issueCertificate(keyPair.publicKey, issuer, template, defaults)
    return new MintedCa(place, der, subject, keyPair)
  }

  /**
   * The CA's own certificate.
   * @throws {@link SpiffeError} `invalid-certificate` when its template makes it unreadable
   */
  get certificate(): Certificate {
    return (this.#certificate ??= Certificate.fromDer(this.der))
  }

  get certificatePem(): string {
    return toPem('CERTIFICATE', this.der)
  }

  /** The CA's key, for another certificate with the same key. */
  get keyPair(): KeyPair {
    return this.#keyPair
  }

  /**
   * Mints a certificate for a workload: a good X.509-SVID, except for what `template` changes.
   * @param id becomes the URI name; it may be any string
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
   */
  async mint(id: SpiffeId | string, template: SvidTemplate = {}): Promise<MintedCertificate> {
    checkTemplate('svid', template)
    const keyPair = template.keyPair ?? (await this.#newKeyPair(template))
    const defaults = leafDefaults(id.toString(), template.subject, this.#clock())
    const signer = template.signedBy ?? this
    const issuer = issuerOf(signer, keyPair, defaults.subject)
    const leaf = await issueCertificate(keyPair.publicKey, issuer, template, defaults)
    const good = signer === 'self' ? [leaf] : [leaf, ...signer.chain]
    const chain =
      template.chain === undefined ? good : template.chain(good).map((der) => Buffer.from(der))
    const other = template.mismatchedKey === true ? await this.#newKeyPair(template) : keyPair
    return new MintedCertificate(chain, keyPair, other.privateKey)
  }

  /**
   * Mints an intermediate CA below this one; with the `keyPair` and the `subject` of another CA, a
   * cross-certificate.
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
   */
  mintCa(template: CertificateTemplate = {}): Promise<MintedCa> {
    return MintedCa.create(
      { trustDomain: this.trustDomain, clock: this.#clock, parent: this },
      template,
    )
  }

  /**
   * Mints a revocation list of this CA and returns its DER: a good one, except for what `template`
   * changes.
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`
   */
  async mintRevocationList(template: RevocationListTemplate = {}): Promise<Buffer> {
    checkTemplate('revocation-list', template)
    const { keyPair } = template.signedBy ?? this
    return issueRevocationList({ ...keyPair, subject: this.subject }, template, this.#clock())
  }

  toJSON(): { certificate: string } {
    return { certificate: this.certificatePem }
  }

  #newKeyPair({ keyType }: SvidTemplate): Promise<KeyPair> {
    return generateKeyPair(keyType ?? keyTypeLike(this.#keyPair.privateKey))
  }
}

function issuerOf(signer: SigningCa | 'self', own: KeyPair, ownSubject: string): Issuer {
  return signer === 'self'
    ? { ...own, subject: ownSubject }
    : { ...signer.keyPair, subject: signer.subject }
}

function keyTypeAt({ parent }: MintedCaPlace): ReturnType<typeof keyTypeLike> {
  return parent === undefined ? 'ec-p256' : keyTypeLike(parent.keyPair.privateKey)
}
