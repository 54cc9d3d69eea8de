import { SpiffeId, type TrustDomain } from '@fastify-spiffe/spiffe'
import { AuthorityError } from '../errors.ts'
import type { SvidTemplate } from '../minting/template.ts'
import { reader } from '../options.ts'
import type { Identity } from './workload.ts'

/** An identity to issue SVIDs for. */
export interface IdentityOptions {
  /** Of the authority's own trust domain. */
  readonly spiffeId: SpiffeId | string
  /** The operator's word for what the identity is for (Workload API §5.2.1). Default: none. */
  readonly hint?: string
  /**
   * What its SVIDs are made from. With `notBefore` or `notAfter` they are not renewed. Default: it
   * does not differ.
   */
  readonly template?: SvidTemplate
}

/**
 * Reads the options of one identity.
 * @throws {@link AuthorityError} `foreign-spiffe-id`, `unknown-option`
 * @throws {@link SpiffeError} `invalid-spiffe-id`
 */
export function readIdentity(trustDomain: TrustDomain, options: IdentityOptions): Identity {
  reader.assertKnown('an identity', options, ['spiffeId', 'hint', 'template'])
  const { hint = '', template = {} } = options
  return { spiffeId: readWorkloadId(trustDomain, options.spiffeId), hint, template }
}

/** As {@link readIdentity}, for the SPIFFE ID alone. */
export function readWorkloadId(trustDomain: TrustDomain, id: SpiffeId | string): SpiffeId {
  const spiffeId = id instanceof SpiffeId ? id : SpiffeId.parse(id)
  if (spiffeId.trustDomain.equals(trustDomain)) return spiffeId
  throw new AuthorityError(
    'foreign-spiffe-id',
    `${spiffeId.toString()} is not in the trust domain ${trustDomain.name}`,
  )
}
