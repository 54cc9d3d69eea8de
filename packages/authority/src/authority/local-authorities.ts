import { X509Bundle, type Certificate, type TrustDomain } from '@fastify-spiffe/spiffe'
import type { MintedCa } from '../minting/minted-ca.ts'
import { AuthorityStates, type LocalAuthorityState, type Signer } from './authority-states.ts'

/** One of the authorities of a trust domain. */
export interface LocalAuthority {
  /** The SHA-256 fingerprint of its certificate. */
  readonly id: string
  readonly state: LocalAuthorityState
  readonly certificate: Certificate
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/** The certificates with which an authority signs. */
export interface SigningChain {
  /** The one in the bundle. */
  readonly anchor: MintedCa
  /** The one that signs SVIDs: the last intermediate, or the anchor. */
  readonly signer: MintedCa
}

interface ChainSigner extends Signer {
  readonly chain: SigningChain
}

/** The authorities of one trust domain that issue X.509-SVIDs, oldest first. */
export class LocalAuthorities {
  readonly #trustDomain: TrustDomain
  readonly #states: AuthorityStates<ChainSigner>

  constructor(trustDomain: TrustDomain, active: SigningChain) {
    this.#trustDomain = trustDomain
    this.#states = new AuthorityStates(signerOf(active))
  }

  get active(): SigningChain {
    return this.#states.active.chain
  }

  get activeId(): string {
    return this.#states.active.id
  }

  /** All CAs that have signed or may sign: the authorities and the intermediates below them. */
  get signers(): MintedCa[] {
    return this.#states.list().flatMap(({ signer }) => upwards(signer.chain.signer))
  }

  list(): LocalAuthority[] {
    return this.#states.list().map(({ signer, state }) => {
      const { id, notBefore, notAfter, chain } = signer
      const { certificate } = chain.anchor
      return Object.freeze({ id, state, certificate, notBefore, notAfter })
    })
  }

  /** The bundle of the trust domain, with the revocation lists that go with it. */
  bundle(lists: X509Bundle['revocationLists'] = []): X509Bundle {
    const authorities = this.list().map(({ certificate }) => certificate)
    return X509Bundle.of(this.#trustDomain, authorities, lists)
  }

  /** Adds an authority that does not sign yet. Returns its ID. */
  prepare(chain: SigningChain): string {
    return this.#states.prepare(signerOf(chain))
  }

  /** @throws {@link AuthorityError} as {@link AuthorityStates.activate} */
  activate(id?: string): void {
    this.#states.activate(id)
  }

  /** @throws {@link AuthorityError} as {@link AuthorityStates.remove} */
  remove(id?: string): string {
    return this.#states.remove(id)
  }

  get nextDue(): number {
    return this.#states.nextDue
  }

  renew(now: number, create: () => Promise<SigningChain>): Promise<void> {
    return this.#states.renew(now, async () => signerOf(await create()))
  }
}

function signerOf(chain: SigningChain): ChainSigner {
  const { fingerprint256: id, notBefore, notAfter } = chain.anchor.certificate
  return { id, notBefore, notAfter, chain }
}

function upwards(ca: MintedCa): MintedCa[] {
  return ca.parent === undefined ? [ca] : [ca, ...upwards(ca.parent)]
}
