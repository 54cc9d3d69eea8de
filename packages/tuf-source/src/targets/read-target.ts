import { Bundle, parseBundleMap, SpiffeError, TrustDomain } from '@fastify-spiffe/spiffe'
import { TufError } from '../errors.ts'
import { holdsPrivateKey } from './private-key.ts'

/** What a target is, and whose bundles it may have. */
export type TargetKind =
  | { readonly kind: 'bundle'; readonly trustDomain: TrustDomain }
  /** `trustDomains`: `null` for any that no other target has. */
  | { readonly kind: 'bundle-map'; readonly trustDomains: ReadonlySet<string> | null }
  | { readonly kind: 'file' }

export interface ReadOptions {
  /** Whether a bundle without X.509 authorities counts. */
  readonly allowEmpty: boolean
  /** The trust domains of other targets. */
  readonly taken: ReadonlySet<string>
  /** The bundles of this target that are held, by the name of their trust domain. */
  readonly held: ReadonlyMap<string, Bundle>
}

/**
 * Reads the bundles of a target that was verified; none of a file.
 * @throws {@link TufError} `private-key`, `invalid-target`, `foreign-trust-domain`, `older-sequence`, `no-authorities`
 */
export function readTarget(
  kind: TargetKind,
  bytes: Buffer,
  options: ReadOptions,
): readonly Bundle[] {
  if (holdsPrivateKey(bytes)) {
    const message =
      'the target holds a private key: whoever can reach the repository has it, so replace that key'
    throw new TufError('private-key', message)
  }
  if (kind.kind === 'file') return []
  const bundles = parse(kind, bytes)
  for (const bundle of bundles) checkBundle(kind, bundle, options)
  return bundles
}

function parse(kind: Exclude<TargetKind, { kind: 'file' }>, bytes: Buffer): readonly Bundle[] {
  try {
    return kind.kind === 'bundle'
      ? [Bundle.parse(kind.trustDomain, bytes)]
      : Array.from(parseBundleMap(bytes))
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new TufError('invalid-target', cause.message, { cause })
  }
}

function checkBundle(kind: TargetKind, bundle: Bundle, options: ReadOptions): void {
  const { name } = bundle.trustDomain
  if (kind.kind === 'bundle-map' && !mayHave(kind.trustDomains, name, options.taken)) {
    throw new TufError('foreign-trust-domain', `the bundle map may not have a bundle of ${name}`)
  }
  if (bundle.x509.authorities.length === 0 && !options.allowEmpty) {
    throw new TufError('no-authorities', `the bundle of ${name} has no X.509 authority`)
  }
  const held = options.held.get(name)
  // Trust Domain and Bundle §4.1.1
  if (bundle.replaces(held)) return
  const message = `the bundle of ${name} has sequence ${bundle.sequence}, and ${held?.sequence} is held`
  throw new TufError('older-sequence', message)
}

function mayHave(
  trustDomains: ReadonlySet<string> | null,
  name: string,
  taken: ReadonlySet<string>,
): boolean {
  return !taken.has(name) && (trustDomains === null || trustDomains.has(name))
}
