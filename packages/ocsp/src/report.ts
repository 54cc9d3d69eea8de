import {
  notFollowed,
  refreshed,
  refreshFailed,
  revoked,
  stapleLost,
  storeFailed,
  type OcspNotFollowedEvent,
  type OcspRefreshedEvent,
  type OcspRefreshFailedEvent,
  type OcspRevokedEvent,
  type OcspStapleLostEvent,
  type OcspStoreFailedEvent,
} from './events.ts'

/** A logger such as Fastify's. */
export interface OcspLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Says what becomes of the staples: by an event on `node:diagnostics_channel`, and in the log. */
export class OcspReport {
  readonly #log: OcspLog | null

  constructor(log: OcspLog | null) {
    this.#log = log
  }

  refreshed(event: OcspRefreshedEvent): void {
    refreshed.publish(Object.freeze(event))
    this.#log?.info(event, 'OCSP answer taken')
  }

  refreshFailed(event: OcspRefreshFailedEvent): void {
    refreshFailed.publish(Object.freeze(event))
    this.#log?.warn(event, 'OCSP answer not taken')
  }

  revoked(event: OcspRevokedEvent): void {
    revoked.publish(Object.freeze(event))
    this.#log?.error(event, 'the certificate of this server is revoked: replace it')
  }

  stapleLost(event: OcspStapleLostEvent): void {
    stapleLost.publish(Object.freeze(event))
    const message = event.mustStaple
      ? 'no OCSP staple any more, and the certificate demands one: clients will refuse it'
      : 'no OCSP staple any more'
    this.#log?.error(event, message)
  }

  notFollowed(event: OcspNotFollowedEvent): void {
    notFollowed.publish(Object.freeze(event))
    this.#log?.warn(event, 'no OCSP staples for a certificate of this server')
  }

  storeFailed(event: OcspStoreFailedEvent): void {
    storeFailed.publish(Object.freeze(event))
    this.#log?.warn(event, 'OCSP answer not stored, or not read: a restart asks the responder')
  }
}
