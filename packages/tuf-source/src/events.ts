import { channel } from 'node:diagnostics_channel'
import type { TufFailure, TargetOrigin } from './status.ts'

/** `spiffe:tuf:updated`: a target has another content than before, or is held for the first time. */
export interface TufUpdatedEvent {
  /** The path of the target. */
  readonly target: string
  readonly origin: TargetOrigin
  /** The version of the metadata that lists it. */
  readonly version: number
  /** The names of the trust domains of which it has a bundle. */
  readonly trustDomains: readonly string[]
}

/**
 * `spiffe:tuf:failed`: a refresh or a part of it failed, the state was not stored, what was stored is damaged, or the clock
 * was set back. What is held stays in use. `private-key` wants somebody to replace that key at once.
 */
export interface TufFailedEvent extends TufFailure {
  /** How many refreshes have failed since the last one that did not. */
  readonly failures: number
}

/** `spiffe:tuf:recovered`: a refresh succeeded after others had failed. */
export interface TufRecoveredEvent {
  /** How many had failed. */
  readonly failures: number
}

/** `spiffe:tuf:expired`: no refresh could verify any bundle for `maxStalenessMs`, and none counts any more. */
export interface TufExpiredEvent {
  /** When all metadata was verified last, in ms since the epoch; `null` if it never was. */
  readonly verifiedAt: number | null
}

const channels = {
  updated: channel('spiffe:tuf:updated'),
  failed: channel('spiffe:tuf:failed'),
  recovered: channel('spiffe:tuf:recovered'),
  expired: channel('spiffe:tuf:expired'),
}

export function publishUpdate(event: TufUpdatedEvent): void {
  channels.updated.publish(Object.freeze({ ...event }))
}

export function publishFailure(event: TufFailedEvent): void {
  channels.failed.publish(Object.freeze({ ...event }))
}

export function publishRecovery(event: TufRecoveredEvent): void {
  channels.recovered.publish(Object.freeze({ ...event }))
}

export function publishExpiry(event: TufExpiredEvent): void {
  channels.expired.publish(Object.freeze({ ...event }))
}
