import { TrustedMetadataStore } from 'tuf-js/dist/store.js'
import { TufError } from '../errors.ts'
import { checkMetadata, describeRole } from './check-metadata.ts'
import { integrityFault, isSameVersion } from './classify.ts'

/** What metadata says of the metadata that it names. */
export interface NamedMetadata {
  readonly version: number
  readonly length?: number | undefined
}

/** What metadata says of a target. */
export interface TargetInfo {
  readonly path: string
  readonly length: number
  readonly hashes: Readonly<Record<string, string>>
  /** The version of the metadata that says so. */
  readonly version: number
}

/** A role that may have a target. */
export interface Delegation {
  readonly role: string
  readonly isTerminating: boolean
}

/**
 * The metadata that is trusted at one instant, as the workflow of the TUF specification (§5) builds it: `tuf-js` checks
 * signatures, versions, hashes and expiry; {@link checkMetadata} comes before it.
 *
 * All methods that take octets throw {@link TufError} with a code of integrity.
 */
export class TrustedSet {
  readonly #store: TrustedMetadataStore

  /**
   * @param now what counts as the time until all is done (§5.1)
   * @throws {@link TufError} `invalid-root`
   */
  constructor(root: Buffer, now: number) {
    try {
      checkMetadata('root', root)
      this.#store = new TrustedMetadataStore(root)
    } catch (error) {
      const cause = integrityFault('root', error)
      throw new TufError('invalid-root', `the trusted root is refused: ${cause.message}`, { cause })
    }
    // It takes its own clock, and offers no other way.
    if (!(Reflect.get(this.#store, 'referenceTime') instanceof Date)) {
      throw new TufError('internal', 'this version of tuf-js is not supported')
    }
    Reflect.set(this.#store, 'referenceTime', new Date(now))
  }

  get rootVersion(): number {
    return this.#store.root.signed.version
  }

  get isConsistentSnapshot(): boolean {
    return this.#store.root.signed.consistentSnapshot
  }

  /** The version of the timestamp, and when it expires, in ms since the epoch; `null` before there is one. */
  get timestamp(): { readonly version: number; readonly expiresAt: number } | null {
    const signed = this.#store.timestamp?.signed
    return signed === undefined
      ? null
      : { version: signed.version, expiresAt: Date.parse(signed.expires) }
  }

  /** The snapshot that the timestamp names. */
  get namedSnapshot(): NamedMetadata {
    const { timestamp } = this.#store
    if (timestamp === undefined) throw missing('timestamp')
    return timestamp.signed.snapshotMeta
  }

  /** Whether a role for targets was loaded. */
  has(role: string): boolean {
    return this.#store.getRole(role) !== undefined
  }

  /** §5.3.10: the last root must not have expired. */
  assertRootIsFresh(now: number): void {
    if (!this.#store.root.signed.isExpired(new Date(now))) return
    throw new TufError('expired', 'the metadata of root has expired')
  }

  updateRoot(bytes: Buffer): void {
    this.#check('root', bytes, () => this.#store.updateRoot(bytes))
  }

  /** Returns whether it is another one than before. */
  updateTimestamp(bytes: Buffer): boolean {
    try {
      checkMetadata('timestamp', bytes)
      this.#store.updateTimestamp(bytes)
      return true
    } catch (cause) {
      // §5.4.3: the one that is held counts, whatever the other one says.
      if (isSameVersion(cause)) return false
      throw integrityFault('timestamp', cause)
    }
  }

  /** @param isStored whether it was trusted before: then its hash was checked */
  updateSnapshot(bytes: Buffer, isStored: boolean): void {
    this.#check('snapshot', bytes, () => this.#store.updateSnapshot(bytes, isStored))
  }

  updateTargets(bytes: Buffer, role: string, delegator: string): void {
    this.#check(role, bytes, () => this.#store.updateDelegatedTargets(bytes, role, delegator))
  }

  /** Whether this delegator trusts the role, which may have been loaded through another one. */
  assertDelegated(role: string, delegator: string): void {
    const [from, to] = [this.#store.getRole(delegator), this.#store.getRole(role)]
    if (from === undefined || to === undefined) throw missing(role)
    try {
      from.verifyDelegate(role, to)
    } catch (cause) {
      throw integrityFault(role, cause)
    }
  }

  /** What the snapshot says of the metadata of a role for targets. */
  namedTargets(role: string): NamedMetadata {
    const meta = this.#store.snapshot?.signed.meta ?? {}
    const name = `${role}.json`
    const named = Object.hasOwn(meta, name) ? meta[name] : undefined
    if (named !== undefined) return named
    throw new TufError('version-mismatch', `${describeRole(role)} is not in the snapshot`)
  }

  /** The target of that path, if this role has it. */
  targetOf(role: string, path: string): TargetInfo | null {
    const signed = this.#signedTargets(role)
    const target = Object.hasOwn(signed.targets, path) ? signed.targets[path] : undefined
    if (target === undefined) return null
    return { path, length: target.length, hashes: target.hashes, version: signed.version }
  }

  /** The roles that may have a target when this one does not, in their order. */
  delegationsOf(role: string, path: string): readonly Delegation[] {
    const { delegations } = this.#signedTargets(role)
    if (delegations === undefined) return []
    return Array.from(delegations.rolesForTarget(path), ({ role: name, terminating }) => ({
      role: name,
      isTerminating: terminating,
    }))
  }

  #signedTargets(role: string) {
    const metadata = this.#store.getRole(role)
    if (metadata === undefined) throw missing(role)
    return metadata.signed
  }

  #check(role: string, bytes: Buffer, update: () => unknown): void {
    try {
      checkMetadata(role, bytes)
      update()
    } catch (cause) {
      throw integrityFault(role, cause)
    }
  }
}

function missing(role: string): TufError {
  return new TufError('internal', `${describeRole(role)} has not been loaded`)
}
