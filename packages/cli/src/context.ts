import type { EventEmitter } from 'node:events'

/** What a command uses of the process that runs it. */
export interface CommandContext {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  /** Emits `SIGINT` and `SIGTERM`. */
  readonly signals: EventEmitter
}
