import {
  Bundle,
  SpiffeError,
  SpiffeId,
  TrustDomain,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { bundleSourceFault, OptionReader } from '@fastify-spiffe/spiffe/internal'
import { readCertificates } from '@fastify-spiffe/tls/internal'
import { FederationError } from '../errors.ts'
import { endpointUrlFault } from './url.ts'

/** How an endpoint proves who it is. */
export type EndpointProfile = 'https_web' | 'https_spiffe'

/**
 * A trust domain to follow. What it is named, where its endpoint is, and how that proves itself are three things, and none
 * is taken from another (SPIFFE Federation §7.2).
 */
export interface FollowOptions {
  /** The trust domain, such as `partner.test`. */
  readonly trustDomain: TrustDomain | string
  /** Where its bundle is: `https:`, without user information. */
  readonly url: string
  /**
   * - `https_web`: the endpoint proves the host name of `url` to the Web PKI.
   * - `https_spiffe`: it proves `endpointSpiffeId`, to the bundle that is held of the trust domain of that ID.
   */
  readonly profile: EndpointProfile
  /**
   * The SPIFFE ID of the endpoint. Required with `https_spiffe`, and refused with `https_web`. Default: none.
   */
  readonly endpointSpiffeId?: SpiffeId | string
  /**
   * The bundle to begin with, or its text in the SPIFFE bundle format. Required with `https_spiffe` when the endpoint is of
   * the trust domain itself, unless a bundle is stored. A stored one counts instead, unless this one has a higher sequence.
   * Default: none.
   */
  readonly bundle?: Bundle | string
  /** With `https_web`, the authorities to trust, as certificates in PEM. Default: those that Node trusts. */
  readonly ca?: string | readonly string[]
}

/** How the endpoint proves itself. */
export type EndpointProof =
  | { readonly profile: 'https_web'; readonly ca: readonly string[] | undefined }
  | { readonly profile: 'https_spiffe'; readonly endpointSpiffeId: SpiffeId }

/** {@link FollowOptions} that were checked. */
export interface Relationship {
  readonly trustDomain: TrustDomain
  readonly url: URL
  readonly proof: EndpointProof
  readonly bundle: Bundle | undefined
}

/** Reads the options of this package. */
export const reader: OptionReader = new OptionReader(FederationError)

const NAMES: readonly (keyof FollowOptions)[] = [
  'trustDomain',
  'url',
  'profile',
  'endpointSpiffeId',
  'bundle',
  'ca',
]

/** @throws {@link FederationError} `unknown-option`, `invalid-option` */
export function readRelationship(options: FollowOptions): Relationship {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('a trust domain to follow', options, 'must be an object')
  }
  reader.assertKnown('a trust domain to follow', options, NAMES)
  const trustDomain = readTrustDomain(options.trustDomain)
  const fault = endpointUrlFault(options.url)
  if (fault !== undefined) throw new FederationError('invalid-option', `url ${fault}`)
  return {
    trustDomain,
    url: new URL(options.url),
    proof: readProof(options),
    bundle: readBundle(trustDomain, options.bundle),
  }
}

function readProof({ profile, endpointSpiffeId, ca }: FollowOptions): EndpointProof {
  reader.asOneOf('profile', profile, ['https_web', 'https_spiffe'])
  if (profile === 'https_web') {
    if (endpointSpiffeId !== undefined) {
      reader.refuse('endpointSpiffeId', endpointSpiffeId, 'must be absent with https_web')
    }
    return { profile, ca: readCertificates(reader, ca) }
  }
  if (ca !== undefined) reader.refuse('ca', ca, 'must be absent with https_spiffe')
  if (endpointSpiffeId === undefined) {
    reader.refuse('endpointSpiffeId', endpointSpiffeId, 'must be given with https_spiffe')
  }
  return { profile, endpointSpiffeId: readSpiffeId(endpointSpiffeId) }
}

// Never String(value): of undefined, null, a number or a list it makes a text that may be valid.
function readTrustDomain(value: TrustDomain | string): TrustDomain {
  if (value instanceof TrustDomain) return value
  return parsed('trustDomain', () => TrustDomain.parse(value))
}

function readSpiffeId(value: SpiffeId | string): SpiffeId {
  if (value instanceof SpiffeId) return value
  return parsed('endpointSpiffeId', () => SpiffeId.parse(value))
}

function readBundle(
  trustDomain: TrustDomain,
  bundle: Bundle | string | undefined,
): Bundle | undefined {
  if (bundle === undefined) return undefined
  if (typeof bundle === 'string') return parsed('bundle', () => Bundle.parse(trustDomain, bundle))
  if (!(bundle instanceof Bundle)) reader.refuse('bundle', bundle, 'must be a bundle or its text')
  if (bundle.trustDomain.equals(trustDomain)) return bundle
  throw new FederationError('invalid-option', `bundle must be of ${trustDomain.name}`)
}

/** @throws {@link FederationError} `invalid-option` */
export function readBundleSource(source: X509BundleSource | undefined): void {
  if (source === undefined) return
  const fault = bundleSourceFault(source, 'bundles')
  if (fault !== undefined) throw new FederationError('invalid-option', `source ${fault}`)
}

function parsed<T>(key: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new FederationError('invalid-option', `${key}: ${cause.message}`, { cause })
  }
}
