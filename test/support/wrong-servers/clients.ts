import type { ConnectOptions } from '@fastify-spiffe/tls'
import type { Preface } from './trap.ts'

/** Whom a client calls, and as whom. */
export interface Target {
  readonly port: number
  readonly options: Required<Pick<ConnectOptions, 'source' | 'server' | 'minVersion'>>
}

/** A client that was opened; it connects when it has something to send. */
export interface OpenClient {
  /** Sends {@link SECRET}; rejects when nobody took it. */
  send(): Promise<unknown>
  close(): unknown
}

/** One kind of client. */
export interface ClientKind {
  readonly name: string
  readonly preface?: Preface
  /**
   * What becomes of a connection whose server is not to be trusted any more: `checked` before it is used again, or `kept`
   * until one of the two ends it. `single`: each message has a connection of its own.
   */
  readonly connections: 'checked' | 'kept' | 'single'
  /** Whether the right server of the tests speaks its protocol, so that what is sent is answered. */
  readonly isAnswered: boolean
  open(target: Target): OpenClient | Promise<OpenClient>
}

/** What no wrong server may get. */
export const SECRET: string = 'secret '.repeat(1000)
