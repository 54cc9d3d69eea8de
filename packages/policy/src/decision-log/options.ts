import { readOption, assertKnown, asInteger, asDuration, refuse } from '../option-readers.ts'
import { type DecisionLogEvent, isInEvents } from './event.ts'

/** A record of decisions for auditors, in the event format of OPA. */
export interface DecisionLogOptions {
  /**
   * Takes a batch of events. One batch at a time: while it is being written, others wait. A batch that fails is lost and
   * counted.
   */
  readonly write: (events: readonly DecisionLogEvent[]) => void | Promise<void>
  /** The share of allows that is recorded. Refusals are always recorded. Default 0.01. */
  readonly allowSampleRate?: number
  /** JSON Pointers (RFC 6901) of what is taken out of each event, such as `/input/spiffe_id`. One that names nothing is an error. Default: none. */
  readonly mask?: readonly string[]
  /** Labels of this instance, on every event. Default: none. */
  readonly labels?: Readonly<Record<string, string>>
  /** How often batches are written, in milliseconds. Default 1000. */
  readonly flushMs?: number
  /** Events in a batch. Default 500. */
  readonly maxBatch?: number
  /**
   * Decisions that wait to be written; more are dropped and counted: of the trust domain, and in it of the tenant, that has
   * most of them. Default 10 000.
   */
  readonly maxWaiting?: number
  /**
   * How long the application waits for `write` when it closes, in milliseconds. Then what still waits is dropped, and the
   * application's log says how many decisions are lost. Default 5000.
   */
  readonly closeTimeoutMs?: number
}

/** The options, checked and complete. */
export type DecisionLogSettings = Required<DecisionLogOptions>

const KEYS = [
  'write',
  'allowSampleRate',
  'mask',
  'labels',
  'flushMs',
  'maxBatch',
  'maxWaiting',
  'closeTimeoutMs',
]

/**
 * The option `decisionLog`.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readDecisionLog(options: DecisionLogOptions): DecisionLogSettings {
  if (typeof options !== 'object' || options === null) {
    return refuse('decisionLog', options, 'must be an object')
  }
  assertKnown('decisionLog', options, KEYS)
  const { write, allowSampleRate } = options
  const labels = { ...options.labels }
  if (typeof write !== 'function') return refuse('decisionLog.write', write, 'must be a function')
  return {
    write,
    allowSampleRate: readOption(
      'decisionLog.allowSampleRate',
      allowSampleRate,
      0.01,
      isShare,
      'must be from 0 to 1',
    ),
    mask: readMask(options.mask, labels),
    labels,
    flushMs: asDuration('decisionLog.flushMs', options.flushMs, 1000),
    maxBatch: asInteger('decisionLog.maxBatch', options.maxBatch, 500, 1),
    maxWaiting: asInteger('decisionLog.maxWaiting', options.maxWaiting, 10_000, 1),
    closeTimeoutMs: asDuration('decisionLog.closeTimeoutMs', options.closeTimeoutMs, 5000),
  }
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1
}

/** A pointer with a mistake would mask nothing. */
function readMask(mask: unknown = [], labels: Readonly<Record<string, string>>): readonly string[] {
  if (!arePointers(mask)) {
    return refuse('decisionLog.mask', mask, 'must be a list of JSON Pointers')
  }
  const lost = mask.find((pointer) => !isInEvents(pointer, labels))
  return lost === undefined ? mask : refuse('decisionLog.mask', lost, 'names nothing of an event')
}

function arePointers(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isPointer)
}

/** RFC 6901 §3: `~` occurs only before 0 and 1. */
function isPointer(value: unknown): boolean {
  return typeof value === 'string' && /^(?:\/(?:[^/~]|~[01])*)+$/.test(value)
}
