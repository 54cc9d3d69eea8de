import { TrustDomain } from '@fastify-spiffe/spiffe'
import { MintedCa } from './minted-ca.ts'
import type { CertificateShape } from './shape.ts'

/** Options of {@link mintAuthority}. */
export interface MintAuthorityOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * Makes a certificate authority that can be an anchor: self-signed, unless `shape.signedBy` names
 * another CA, in which case it is an anchor that is not.
 * @throws {@link SpiffeError} `invalid-trust-domain`
 * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
 */
export async function mintAuthority(
  trustDomain: TrustDomain | string,
  shape: CertificateShape = {},
  { clock = Date.now }: MintAuthorityOptions = {},
): Promise<MintedCa> {
  const domain = trustDomain instanceof TrustDomain ? trustDomain : TrustDomain.parse(trustDomain)
  return MintedCa.create({ trustDomain: domain, clock }, shape)
}
