import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { MintedCa } from '../minting/minted-ca.ts'
import type { MintedCertificate } from '../minting/minted-certificate.ts'
import type { CertificateTemplate, SvidTemplate } from '../minting/template.ts'
import type { LocalAuthorities, SigningChain } from './local-authorities.ts'
import { halfLife } from '../schedule.ts'
import type { AuthoritySettings } from './settings.ts'
import type { Identity, IssuedIdentity } from '../workload/workload.ts'

/** Makes an authority, with as many intermediates below it as the settings say. */
export async function createSigningChain(
  settings: AuthoritySettings,
  template: CertificateTemplate = {},
): Promise<SigningChain> {
  const { trustDomain, clock, keyType, authorityTtlMs, intermediates } = settings
  const common = { keyType, notAfter: expiryOf(clock() + authorityTtlMs) }
  const anchor = await MintedCa.create({ trustDomain, clock }, { ...common, ...template })
  const notAfter = Math.min(common.notAfter, anchor.certificate.notAfter)
  let signer = anchor
  for (let made = 0; made < intermediates; made += 1) {
    signer = await signer.mintCa({ keyType, notAfter })
  }
  return { anchor, signer }
}

/** Mints with the active authority; an SVID does not outlive the authority that issues it. */
export function mintWith(
  { signer }: SigningChain,
  { clock, keyType, svidTtlMs }: AuthoritySettings,
  id: SpiffeId | string,
  template: SvidTemplate,
): Promise<MintedCertificate> {
  const notAfter = Math.min(expiryOf(clock() + svidTtlMs), signer.certificate.notAfter)
  return signer.mint(id, { keyType, notAfter, ...template })
}

/** Issues an SVID for an identity, with the time at which the next one is due. */
export async function issueIdentity(
  identity: Identity,
  authorities: LocalAuthorities,
  settings: AuthoritySettings,
): Promise<IssuedIdentity> {
  const { active, activeId: authorityId } = authorities
  const { spiffeId, hint, template } = identity
  const now = settings.clock()
  const minted = await mintWith(active, settings, spiffeId, template)
  const end = Math.min(now + settings.svidTtlMs, active.signer.certificate.notAfter)
  const fixed = template.notBefore !== undefined || template.notAfter !== undefined
  const rotateAt = fixed ? Infinity : halfLife(now, end)
  return { spiffeId, hint, template, minted, authorityId, rotateAt }
}

// Rounded up to the whole seconds of certificates, so that no lifetime is shorter than requested.
function expiryOf(time: number): number {
  return Math.ceil(time / 1000) * 1000
}
