import { RevocationList } from '@fastify-spiffe/spiffe'
import type { Certificate, X509Bundle, X509Svid } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, refusal } from '../errors.ts'
import { LIMITS, checkLimit } from './limits.ts'
import type { Problem } from './parsed-message.ts'

interface Signer {
  readonly trustDomain: string
  readonly certificate: Certificate
}

/**
 * Gives each bundle its revocation lists. The message does not name the trust domain of a list. Its
 * signature does: by an authority of a bundle, or by an intermediate that came with an own SVID. A list
 * that cannot be used is left out and reported; the message stays good.
 */
export function distribute(
  crl: readonly Buffer[],
  bundles: readonly X509Bundle[],
  svids: readonly X509Svid[],
  problems: Problem[],
): readonly X509Bundle[] {
  if (crl.length === 0) return bundles
  const signers = new Signers(bundles, svids)
  const lists = new Map<string, RevocationList[]>()
  let bytes = 0
  for (const [index, der] of crl.entries()) {
    try {
      checkLimit('revocation lists', index + 1, LIMITS.revocationLists)
      checkLimit('bytes of revocation lists', (bytes += der.length), LIMITS.revocationListBytes)
      const list = RevocationList.fromDer(der)
      for (const trustDomain of signers.trustDomainsOf(list)) {
        lists.set(trustDomain, [...(lists.get(trustDomain) ?? []), list])
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `revocation list ${index} of a message is not used: ${reason}`
      problems.push({ part: 'bundle', error: refusal('invalid-revocation-list', message, cause) })
      if (index >= LIMITS.revocationLists) break
    }
  }
  return bundles.map((bundle) =>
    bundle.withRevocationLists(lists.get(bundle.trustDomain.name) ?? []),
  )
}

/** The certificates that may have signed the lists of one message. */
class Signers {
  readonly #byName = new Map<string, Signer[]>()
  #checks = 0

  constructor(bundles: readonly X509Bundle[], svids: readonly X509Svid[]) {
    for (const { trustDomain, authorities } of bundles) {
      for (const certificate of authorities)
        this.#add({ trustDomain: trustDomain.name, certificate })
    }
    for (const { spiffeId, certificates } of svids) {
      const trustDomain = spiffeId.trustDomain.name
      for (const certificate of certificates.slice(1)) this.#add({ trustDomain, certificate })
    }
  }

  /** @throws {@link WorkloadApiError} */
  trustDomainsOf(list: RevocationList): ReadonlySet<string> {
    const found = new Set<string>()
    for (const { trustDomain, certificate } of this.#byName.get(list.issuer.key) ?? []) {
      checkLimit('signature checks for revocation lists', (this.#checks += 1), LIMITS.listChecks)
      if (list.isSignedBy(certificate)) found.add(trustDomain)
    }
    if (found.size > 0) return found
    throw new WorkloadApiError('invalid-revocation-list', 'no known authority has signed it')
  }

  #add(signer: Signer): void {
    const { key } = signer.certificate.subject
    const namesakes = this.#byName.get(key)
    if (namesakes === undefined) this.#byName.set(key, [signer])
    else namesakes.push(signer)
  }
}
