import { describeCause, TaskQueue } from '@fastify-spiffe/spiffe/internal'
import type { WithheldReason } from './events.ts'
import { readOwnBundle, type BundleSources } from './own-bundle.ts'
import {
  contentDigest,
  writePublication,
  type BundleContent,
  type Publication,
} from './publication.ts'
import type { PublisherReport } from './report.ts'
import { SequenceFile } from './sequence-file.ts'
import { nextSequence, type SequenceRecord } from './sequence-record.ts'

export interface PublisherSettings {
  readonly refreshHintMs: number
  readonly maxBytes: number
  /** `null`: the sequence is not stored. */
  readonly sequenceFile: string | null
  readonly clock: () => number
  readonly report: PublisherReport
}

/**
 * Follows the own bundle, and holds it as it is sent. A bundle with a new sequence is stored before it is served, and
 * until then the one before is.
 */
export class BundlePublisher {
  readonly #sources: BundleSources
  readonly #settings: PublisherSettings
  readonly #file: SequenceFile | null
  readonly #updates = new TaskQueue()
  readonly #unsubscribe: readonly (() => void)[]
  #last: SequenceRecord | null = null
  #stored: SequenceRecord | null = null
  #publication: Publication | null = null
  #reason: WithheldReason | null = null
  #pending = false
  #closed = false

  private constructor(sources: BundleSources, settings: PublisherSettings) {
    this.#sources = sources
    this.#settings = settings
    const { sequenceFile } = settings
    this.#file = sequenceFile === null ? null : new SequenceFile(sequenceFile, sources.trustDomain)
    const followed = new Set([sources.source, sources.jwtSource ?? sources.source])
    this.#unsubscribe = [...followed].map((source) => source.onUpdate(() => this.#schedule()))
  }

  /**
   * Publishes what the sources hold now, and from then on each change.
   * @throws {@link BundleEndpointError} `invalid-sequence-file`
   */
  static async open(sources: BundleSources, settings: PublisherSettings): Promise<BundlePublisher> {
    const publisher = new BundlePublisher(sources, settings)
    try {
      publisher.#last = (await publisher.#file?.read()) ?? null
      publisher.#stored = publisher.#last
      await publisher.#updates.run(() => publisher.#update())
      return publisher
    } catch (error) {
      publisher.close()
      throw error
    }
  }

  /** What is to be sent; `null` when nothing can be. */
  get publication(): Publication | null {
    return this.#publication
  }

  /** Unsubscribes from the sources; they are not closed. The last publication stays. Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  // Updates of both sources in one turn make one publication.
  #schedule(): void {
    if (this.#pending) return
    this.#pending = true
    void this.#updates.run(() => this.#update())
  }

  async #update(): Promise<void> {
    this.#pending = false
    if (this.#closed) return
    const own = readOwnBundle(this.#sources)
    if (own.kind === 'withheld') return this.#withhold(own.reason)
    const { trustDomain } = this.#sources
    const { refreshHintMs, clock } = this.#settings
    const content = { trustDomain, x509: own.x509, jwt: own.jwt, refreshHintMs }
    const record = nextSequence(this.#last, contentDigest(content), clock)
    if (this.#publication?.sequence === record.sequence) return
    const publication = this.#write(content, record.sequence)
    if (typeof publication === 'string') return this.#withhold(publication)
    await this.#store(record)
    this.#publish(publication, content)
  }

  #write(content: BundleContent, sequence: bigint): Publication | WithheldReason {
    try {
      const publication = writePublication(content, sequence)
      return publication.body.length > this.#settings.maxBytes ? 'too-large' : publication
    } catch {
      // OpenSSL or Node cannot write one of the keys.
      return 'unusable-authority'
    }
  }

  async #store(record: SequenceRecord): Promise<void> {
    this.#last = record
    if (this.#file === null || record === this.#stored) return
    try {
      await this.#file.write(record)
      this.#stored = record
    } catch (error) {
      // Who misses a new authority is worse off than with a sequence that the clock alone protects.
      const { name: trustDomain } = this.#sources.trustDomain
      const { sequence } = record
      const cause = describeCause(error)
      this.#settings.report.sequenceNotStored({ trustDomain, sequence, cause })
    }
  }

  #publish(publication: Publication, { trustDomain, x509, jwt }: BundleContent): void {
    this.#publication = publication
    this.#reason = null
    this.#settings.report.published({
      trustDomain: trustDomain.name,
      sequence: publication.sequence,
      x509Authorities: x509.authorities.length,
      jwtAuthorities: jwt.authorities.length,
      bytes: publication.body.length,
    })
  }

  #withhold(reason: WithheldReason): void {
    this.#publication = null
    if (reason === this.#reason) return
    this.#reason = reason
    this.#settings.report.withheld({ trustDomain: this.#sources.trustDomain.name, reason })
  }
}
