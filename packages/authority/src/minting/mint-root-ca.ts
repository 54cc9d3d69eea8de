import { TrustDomain } from '@fastify-spiffe/spiffe'
import { MintedCa } from './minted-ca.ts'
import type { CertificateTemplate } from './template.ts'

/** Options of {@link mintRootCa}. */
export interface MintRootCaOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * Makes a certificate authority that can be an anchor. It signs itself, unless `template.signedBy` is
 * another CA.
 * @throws {@link SpiffeError} `invalid-trust-domain`
 * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
 */
export async function mintRootCa(
  trustDomain: TrustDomain | string,
  template: CertificateTemplate = {},
  { clock = Date.now }: MintRootCaOptions = {},
): Promise<MintedCa> {
  const domain = trustDomain instanceof TrustDomain ? trustDomain : TrustDomain.parse(trustDomain)
  return MintedCa.create({ trustDomain: domain, clock }, template)
}
