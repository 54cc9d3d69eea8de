import { FileWatcher } from '@fastify-spiffe/files'
import { describeValue, TaskQueue } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from '../errors.ts'
import { enginePolicyChannel, type EnginePolicyEvent } from './events.ts'

/** Policies as they are written down. */
export interface PolicySource {
  /** Names the content: never the same for two that differ. */
  readonly version: string
}

export interface ReloadablePoliciesParts<S extends PolicySource, P> {
  readonly engine: string
  readonly read: () => Promise<S>
  /** Compiles and tries them, without any effect on those in force. */
  readonly prepare: (source: S) => Promise<P>
  /** Called with policies that are not asked again. */
  readonly dispose?: (policies: P) => void
  /** The files that are watched: all that are read. */
  readonly watched: readonly string[]
}

/**
 * The policies of an engine in this process, and how others take their place: read, compiled and tried aside, then put in
 * force all at once. When anything is wrong with them, those in force stay.
 */
export class ReloadablePolicies<S extends PolicySource, P> {
  readonly #parts: ReloadablePoliciesParts<S, P>
  readonly #watcher: FileWatcher | null
  #current: P
  #version: string
  #isClosed = false
  /** What was read last and found bad. */
  #refused: string | null = null
  /** One replacement after another, or older policies could come out on top. */
  readonly #reloads = new TaskQueue()

  private constructor(parts: ReloadablePoliciesParts<S, P>, current: P, version: string) {
    this.#parts = parts
    this.#current = current
    this.#version = version
    const onUnavailable = (message: string): void =>
      process.emitWarning(`${parts.engine}: ${message}`, { code: 'SPIFFE_AUTHZ_WATCH_UNAVAILABLE' })
    const onChange = (): void => this.#changed()
    this.#watcher =
      parts.watched.length === 0
        ? null
        : new FileWatcher(parts.watched, { onChange, onUnavailable })
  }

  /** @throws {PolicyError} `invalid-policy` */
  static async open<S extends PolicySource, P>(
    parts: ReloadablePoliciesParts<S, P>,
  ): Promise<ReloadablePolicies<S, P>> {
    try {
      const source = await parts.read()
      const policies = new ReloadablePolicies(parts, await parts.prepare(source), source.version)
      await policies.#watcher?.look()
      return policies
    } catch (cause) {
      throw asPolicyError(parts.engine, cause)
    }
  }

  get current(): P {
    return this.#current
  }

  get version(): string {
    return this.#version
  }

  /**
   * Reads the policies again. Resolves with the version in force.
   *
   * @throws {PolicyError} `invalid-policy`: those in force stay
   */
  async reload(): Promise<string> {
    return this.#reloads.run(() => this.#replace((version) => version !== this.#version))
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watcher?.close()
    this.#parts.dispose?.(this.#current)
  }

  async #replace(isWanted: (version: string) => boolean): Promise<string> {
    try {
      const source = await this.#parts.read()
      if (!isWanted(source.version)) return this.#version
      this.#refused = source.version
      const next = await this.#parts.prepare(source)
      this.#refused = null
      if (this.#isClosed) {
        this.#parts.dispose?.(next)
        return this.#version
      }
      const before = this.#current
      this.#current = next
      this.#version = source.version
      this.#parts.dispose?.(before)
      this.#publish(null)
      return this.#version
    } catch (cause) {
      const error = asPolicyError(this.#parts.engine, cause)
      this.#publish(error)
      throw error
    }
  }

  #changed(): void {
    const isNew = (version: string): boolean =>
      version !== this.#version && version !== this.#refused
    this.#reloads
      .run(() => this.#replace(isNew))
      .catch((error: Error) => {
        // Whoever listens for it need not be warned.
        if (enginePolicyChannel.hasSubscribers) return
        const message = `${error.message}; the last good policies stay in force`
        process.emitWarning(message, { code: 'SPIFFE_AUTHZ_POLICY_REFUSED' })
      })
  }

  #publish(error: PolicyError | null): void {
    if (!enginePolicyChannel.hasSubscribers) return
    const { engine } = this.#parts
    const event: EnginePolicyEvent = { engine, version: this.#version, code: error?.code ?? null }
    enginePolicyChannel.publish(Object.freeze(event))
  }
}

function asPolicyError(engine: string, cause: unknown): PolicyError {
  if (cause instanceof PolicyError && cause.code === 'invalid-policy') return cause
  return new PolicyError('invalid-policy', `${engine}: ${reasonOf(cause)}`, { cause })
}

/** Interpreters throw errors, strings and objects with a message. */
export function reasonOf(cause: unknown): string {
  if (typeof cause === 'string') return cause
  if (typeof cause !== 'object' || cause === null) return describeValue(cause)
  const message: unknown = Reflect.get(cause, 'message')
  return typeof message === 'string' ? message : describeValue(cause)
}
