import { SpiffeError } from '../errors.ts'
import type { BundleSet, TrustDomainBundle } from '../bundle/bundle-set.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'
import type { X509Bundle } from '../x509/bundle.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { FallbackBundles, type BundleKind } from './fallback-bundles.ts'
import type {
  JwtBundleSource,
  Source,
  SourceProblem,
  SourceState,
  WaitOptions,
  X509BundleSource,
  X509MaterialSource,
} from './source.ts'
import { bundleSourceFault, sourceFault } from './source-fault.ts'
import { Updates } from './updates.ts'

const X509: BundleKind<X509Bundle> = {
  kind: 'x509',
  // Not `equals`: revocation lists are no authorities.
  agree: (one, other) =>
    one.authorities.length === other.authorities.length &&
    one.authorities.every((authority) => other.has(authority)),
}
const JWT: BundleKind<JwtBundle> = { kind: 'jwt', agree: (one, other) => one.equals(other) }

/** Several sources as one. All but the bundles is that of the first. */
abstract class FallbackSource<
  First extends Each,
  Each extends Source,
  B extends TrustDomainBundle,
> implements Source {
  protected readonly first: First
  readonly #sources: readonly Each[]
  readonly #read: (source: Each) => BundleSet<B>
  readonly #combined: FallbackBundles<B>
  readonly #updates = new Updates()
  readonly #unsubscribe: readonly (() => void)[]

  protected constructor(
    first: First,
    others: readonly Each[],
    kind: BundleKind<B>,
    read: (source: Each) => BundleSet<B>,
  ) {
    this.first = first
    this.#sources = [first, ...others]
    this.#read = read
    this.#combined = new FallbackBundles(kind)
    this.#unsubscribe = this.#sources.map((source) => source.onUpdate(() => this.#forward()))
    if (first.state === 'closed') this.#updates.close()
    this.#combined.publishConflicts(this.#sets)
  }

  get state(): SourceState {
    return this.first.state
  }

  get error(): SourceProblem | null {
    return this.first.error ?? null
  }

  get endpoint(): string | undefined {
    return this.first.endpoint
  }

  /** Those of the sources count too, without its own: closing ends all of them. */
  get subscriptions(): number {
    return this.#sources.reduce(
      (sum, source) => sum + Math.max(0, (source.subscriptions ?? 1) - 1),
      this.#updates.size,
    )
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** Closes all the sources. */
  async close(): Promise<void> {
    try {
      await Promise.all(this.#sources.map((source) => source.close()))
    } finally {
      for (const end of this.#unsubscribe) end()
      this.#updates.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected get combined(): BundleSet<B> {
    return this.#combined.of(this.#sets)
  }

  get #sets(): readonly BundleSet<B>[] {
    return this.#sources.map(this.#read)
  }

  #forward(): void {
    this.#combined.publishConflicts(this.#sets)
    this.#updates.notify()
    if (this.first.state === 'closed') this.#updates.close()
  }
}

class FallbackX509Source
  extends FallbackSource<X509MaterialSource, X509BundleSource, X509Bundle>
  implements X509MaterialSource
{
  constructor(first: X509MaterialSource, others: readonly X509BundleSource[]) {
    super(first, others, X509, (source) => source.bundles)
  }

  get svid(): X509Svid | null {
    return this.first.svid
  }

  get bundles(): BundleSet {
    return this.combined
  }
}

class FallbackJwtSource
  extends FallbackSource<JwtBundleSource, JwtBundleSource, JwtBundle>
  implements JwtBundleSource
{
  constructor(first: JwtBundleSource, others: readonly JwtBundleSource[]) {
    super(first, others, JWT, (source) => source.jwtBundles)
  }

  get jwtBundles(): BundleSet<JwtBundle> {
    return this.combined
  }
}

/**
 * Adds X.509 bundles of trust domains that `source` has no bundle for, such as those that `@fastify-spiffe/federation`
 * follows. For each trust domain the bundle of the first source counts that has one, and an empty one counts: bundles
 * are never merged. Where a later source has another one, `spiffe:bundle:conflict` says so, once.
 *
 * The SVID and the state are those of `source`. Closing the result closes all the sources.
 * @throws {@link SpiffeError} `invalid-option` for a value that is not a source
 */
export function withFallbackBundles(
  source: X509MaterialSource,
  ...fallbacks: readonly X509BundleSource[]
): X509MaterialSource {
  refuse(sourceFault(source))
  for (const each of fallbacks) refuse(bundleSourceFault(each, 'bundles'))
  return new FallbackX509Source(source, fallbacks)
}

/**
 * The same for JWT bundles: for each trust domain that of the first source that has one, whatever the sources have of
 * X.509 bundles.
 * @throws {@link SpiffeError} `invalid-option` for a value that is not a source
 */
export function withFallbackJwtBundles(
  source: JwtBundleSource,
  ...fallbacks: readonly JwtBundleSource[]
): JwtBundleSource {
  for (const each of [source, ...fallbacks]) refuse(bundleSourceFault(each, 'jwtBundles'))
  return new FallbackJwtSource(source, fallbacks)
}

function refuse(fault: string | undefined): void {
  if (fault !== undefined) throw new SpiffeError('invalid-option', `the source ${fault}`)
}
