import {
  type BundleSet,
  type SourceState,
  type WaitOptions,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'

/** A source that holds what a test hands it, at the pace of the test. */
export class ScriptedSource implements X509MaterialSource {
  readonly #updates = new Updates()
  state: SourceState = 'ready'
  svid: X509Svid | null
  bundles: BundleSet

  constructor(svid: X509Svid | null, bundles: BundleSet) {
    this.svid = svid
    this.bundles = bundles
  }

  set(svid: X509Svid | null, bundles: BundleSet): void {
    this.svid = svid
    this.bundles = bundles
    this.#updates.notify()
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.state = 'closed'
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
