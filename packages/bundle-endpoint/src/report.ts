import {
  published,
  sequenceNotStored,
  withheld,
  type BundlePublishedEvent,
  type BundleWithheldEvent,
  type SequenceNotStoredEvent,
  type WithheldReason,
} from './events.ts'

/** A logger such as Fastify's. */
export interface PublisherLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What each reason means, and the cure. */
const CURES: Readonly<Record<WithheldReason, string>> = {
  'no-bundle': 'the source has no X.509 bundle of the own trust domain',
  'no-jwt-bundle': 'the source of JWT authorities has none of the own trust domain yet',
  'source-ended': 'a source is denied, failed or closed, and what it holds may be old',
  'foreign-svid': 'the SVID of the source is one of another trust domain',
  'unusable-authority': 'an authority has a key that cannot be written as a JSON Web Key',
  'too-large':
    'the bundle has more than maxBytes bytes: remove authorities that are not used any more',
}

/** Tells operators what becomes of the bundle: by an event on `node:diagnostics_channel`, and in the log. */
export class PublisherReport {
  readonly #log: PublisherLog

  constructor(log: PublisherLog) {
    this.#log = log
  }

  published(event: BundlePublishedEvent): void {
    published.publish(Object.freeze(event))
    // Not all loggers can write a bigint.
    const fields = { ...event, sequence: event.sequence.toString() }
    this.#log.info(fields, 'bundle published')
  }

  withheld(event: BundleWithheldEvent): void {
    withheld.publish(Object.freeze(event))
    const fields = { ...event, cure: CURES[event.reason] }
    this.#log.error(fields, 'bundle withheld: requests for it get 503')
  }

  sequenceNotStored(event: SequenceNotStoredEvent): void {
    sequenceNotStored.publish(Object.freeze(event))
    const fields = { ...event, sequence: event.sequence.toString() }
    this.#log.warn(fields, 'sequence not stored: until it is, a restart relies on the clock')
  }
}
