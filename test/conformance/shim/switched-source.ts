import type {
  BundleSet,
  SourceProblem,
  SourceState,
  WaitOptions,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'

/** A source that is another one from a moment on, for all that holds it. */
export class SwitchedSource implements X509MaterialSource {
  readonly #updates = new Updates()
  #source: X509MaterialSource
  #unsubscribe: () => void

  constructor(source: X509MaterialSource) {
    this.#source = source
    this.#unsubscribe = this.#follow()
  }

  /** Takes everything from another source from now on. The one before is not closed. */
  switchTo(source: X509MaterialSource): void {
    this.#unsubscribe()
    this.#source = source
    this.#unsubscribe = this.#follow()
    this.#updates.notify()
  }

  get svid(): X509Svid | null {
    return this.#source.svid
  }

  get bundles(): BundleSet {
    return this.#source.bundles
  }

  get state(): SourceState {
    return this.#source.state
  }

  get error(): SourceProblem | null {
    return this.#source.error ?? null
  }

  get endpoint(): string | undefined {
    return this.#source.endpoint
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    await this.#source.close()
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #follow(): () => void {
    return this.#source.onUpdate(() => this.#updates.notify())
  }
}
