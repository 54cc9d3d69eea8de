import type { Bundle } from '@fastify-spiffe/spiffe'
import { FederatedBundles } from '@fastify-spiffe/federation/internal'
import type { Settings, TargetSettings } from './options.ts'
import { sha256, type StoredTarget } from './store/state.ts'
import { readTarget } from './targets/read-target.ts'
import type { TargetOrigin, TargetStatus, TufFailure } from './status.ts'

/** One target, and what is held of it. */
interface Held {
  readonly settings: TargetSettings
  content: (StoredTarget & { readonly bundles: readonly Bundle[]; readonly sha256: string }) | null
  origin: TargetOrigin | null
  isFailing: boolean
  lastFailure: TufFailure | null
}

type HeldSettings = Pick<Settings, 'targets' | 'allowEmptyBundles' | 'maxStalenessMs'>

/**
 * What is held of the targets, and the bundles that they make together. A target that could not be verified for
 * `maxStalenessMs` has none: who keeps one file back has no more time than who keeps all back.
 */
export class HeldTargets {
  readonly #targets: ReadonlyMap<string, Held>
  readonly #allowEmpty: boolean
  readonly #maxStalenessMs: number
  readonly #bundles = new FederatedBundles([])
  /** Until when the bundles are those that {@link bundlesAt} has put together. */
  #currentUntil = Infinity

  constructor({ targets, allowEmptyBundles, maxStalenessMs }: HeldSettings) {
    this.#allowEmpty = allowEmptyBundles
    this.#maxStalenessMs = maxStalenessMs
    this.#targets = new Map(
      targets.map((settings) => [
        settings.path,
        { settings, content: null, origin: null, isFailing: false, lastFailure: null },
      ]),
    )
  }

  /** The bundles that count at a time. */
  bundlesAt(now: number): FederatedBundles {
    if (now >= this.#currentUntil) this.#rebuild(now)
    return this.#bundles
  }

  /** When the next bundle stops to count unless its target is verified before; `null` if none does. */
  nextExpiryAfter(now: number): number | null {
    const times = this.#withBundles.map((held) => this.#expiryOf(held)).filter((time) => time > now)
    return times.length === 0 ? null : Math.min(...times)
  }

  /** Whether there were bundles, and none of them counts any more. */
  isExpiredAt(now: number): boolean {
    const held = this.#withBundles
    return held.length > 0 && held.every((each) => this.#expiryOf(each) <= now)
  }

  get paths(): readonly string[] {
    return [...this.#targets.keys()]
  }

  /** Whether there is something of each target. */
  get isComplete(): boolean {
    return Array.from(this.#targets.values()).every(({ content }) => content !== null)
  }

  get isFailing(): boolean {
    return Array.from(this.#targets.values()).some(({ isFailing }) => isFailing)
  }

  /** What is to be stored. */
  get contents(): ReadonlyMap<string, StoredTarget> {
    const contents = new Map<string, StoredTarget>()
    for (const [path, { content }] of this.#targets) {
      if (content === null) continue
      const { bytes, version, verifiedAt } = content
      contents.set(path, { bytes, version, verifiedAt })
    }
    return contents
  }

  /** The shortest refresh hint of all bundles, in ms. */
  get refreshHintMs(): number | null {
    const hints = this.#all.flatMap(({ refreshHintMs }) => refreshHintMs ?? [])
    return hints.length === 0 ? null : Math.min(...hints)
  }

  get statuses(): readonly TargetStatus[] {
    return Array.from(this.#targets.values(), statusOf)
  }

  has(path: string): boolean {
    return this.#targets.has(path)
  }

  isFile(path: string): boolean {
    return this.#targets.get(path)?.settings.kind.kind === 'file'
  }

  content(path: string): Held['content'] {
    return this.#targets.get(path)?.content ?? null
  }

  /**
   * Takes the octets of a target that were verified. Returns whether they are others than before.
   * @throws {@link TufError} as {@link readTarget}; then what was held stays
   */
  take(path: string, target: StoredTarget, origin: TargetOrigin): boolean {
    const held = this.#get(path)
    const { content } = held
    const digest = sha256(target.bytes)
    const bundles = content?.sha256 === digest ? content.bundles : this.#read(held, target.bytes)
    held.content = { ...target, bundles, sha256: digest }
    held.origin = origin
    held.isFailing = false
    this.#currentUntil = -Infinity
    return content?.sha256 !== digest
  }

  /** Notes that a target could not be brought up to date. */
  fail(path: string, failure: TufFailure): void {
    const held = this.#get(path)
    held.isFailing = true
    held.lastFailure = failure
  }

  get #all(): readonly Bundle[] {
    return Array.from(this.#targets.values()).flatMap(({ content }) => content?.bundles ?? [])
  }

  #get(path: string): Held {
    const held = this.#targets.get(path)
    if (held === undefined) throw new TypeError('no such target')
    return held
  }

  #read({ settings, content }: Held, bytes: Buffer): readonly Bundle[] {
    const others = Array.from(this.#targets.values()).filter((held) => held.settings !== settings)
    const names = others.map(({ settings: { kind }, content: other }) => {
      if (kind.kind === 'bundle') return [kind.trustDomain.name]
      return other?.bundles.map(({ trustDomain }) => trustDomain.name) ?? []
    })
    const held = content?.bundles.map((bundle) => [bundle.trustDomain.name, bundle] as const) ?? []
    return readTarget(settings.kind, bytes, {
      allowEmpty: this.#allowEmpty,
      taken: new Set(names.flat()),
      held: new Map(held),
    })
  }

  get #withBundles(): readonly Held[] {
    return Array.from(this.#targets.values()).filter(
      ({ settings, content }) => content !== null && settings.kind.kind !== 'file',
    )
  }

  #expiryOf({ content }: Held): number {
    return content === null ? 0 : content.verifiedAt + this.#maxStalenessMs
  }

  /** A bundle that is in no target any more counts no more. */
  #rebuild(now: number): void {
    const current = this.#withBundles.filter((held) => this.#expiryOf(held) > now)
    const all = current.flatMap(({ content }) => content?.bundles ?? [])
    const names = new Set(all.map(({ trustDomain }) => trustDomain.name))
    for (const { trustDomain } of this.#bundles.x509) {
      if (!names.has(trustDomain.name)) this.#bundles.drop(trustDomain)
    }
    for (const bundle of all) this.#bundles.hold(bundle)
    this.#currentUntil = this.nextExpiryAfter(now) ?? Infinity
  }
}

function statusOf({ settings, content, origin, isFailing, lastFailure }: Held): TargetStatus {
  const state = content === null && !isFailing ? 'starting' : 'ready'
  return Object.freeze<TargetStatus>({
    path: settings.path,
    kind: settings.kind.kind,
    state: isFailing ? 'stale' : state,
    origin,
    trustDomains: content?.bundles.map(({ trustDomain }) => trustDomain.name) ?? [],
    version: content?.version ?? null,
    sha256: content?.sha256 ?? null,
    lastFailure,
  })
}
