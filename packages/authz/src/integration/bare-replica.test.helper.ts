import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { InvalidationBus } from '../index.ts'
import { internal } from './policy-internals.test.helper.ts'
import { endings, HEARTBEAT_MS, type LogLine, SECRET, until } from './replicas.test.helper.ts'

type ReplicasModule = typeof import('../../../policy/src/replicas/replicas.ts')
const { Replicas } = await internal<ReplicasModule>('replicas/replicas.js')

/** The deadlines of a bus, which pass when the test says so, and not before. */
export class Deadlines {
  readonly #pending = new Map<() => void, number>()

  readonly set: SetTimer = (callback, delayMs) => {
    const expire = (): void => callback()
    this.#pending.set(expire, delayMs)
    return () => void this.#pending.delete(expire)
  }

  /** How long the bus may take for each answer that is waited for, in ms. */
  get delays(): readonly number[] {
    return [...this.#pending.values()]
  }

  /** Lets all of them pass. */
  pass(): void {
    for (const expire of this.#pending.keys()) {
      this.#pending.delete(expire)
      expire()
    }
  }
}

/** One replica's part of the bus, without an application around it. */
export interface BareReplica {
  readonly replicas: InstanceType<ReplicasModule['Replicas']>
  readonly deadlines: Deadlines
  /** What was logged so far. */
  readonly lines: readonly LogLine[]
}

/** Starts one whose deadlines the test lets pass; with `maxStaleMs` 60 000. */
export function bareReplica(bus: InvalidationBus, clock: () => number = Date.now): BareReplica {
  const deadlines = new Deadlines()
  const lines: LogLine[] = []
  const logAt =
    (level: number) =>
    (fields: object, msg: string): void =>
      void lines.push({ ...fields, level, msg })
  const replicas = new Replicas({
    bus,
    secret: SECRET,
    heartbeatMs: HEARTBEAT_MS,
    maxStaleMs: 60_000,
    clock,
    setTimer: deadlines.set,
    invalidate: () => undefined,
    policy: { version: 'none', digest: 'none', adopt: async () => undefined },
    log: { info: logAt(30), warn: logAt(40) },
  })
  endings.push(async () => {
    let isClosed = false
    const closing = replicas.close().finally(() => (isClosed = true))
    await passingUntil(deadlines, () => isClosed)
    await closing
  })
  void replicas.start()
  return { replicas, deadlines, lines }
}

/** Lets deadlines pass until what is awaited has come. */
export async function passingUntil(deadlines: Deadlines, isSo: () => boolean): Promise<void> {
  await until(() => {
    deadlines.pass()
    return isSo()
  })
}

/**
 * Waits for what follows from a deadline by itself, before the next heartbeat can change it: on a busy machine that
 * comes in the same turn of the event loop.
 */
export async function beforeTimers(isSo: () => boolean): Promise<void> {
  for (let times = 0; !isSo(); times++) {
    if (times === 1000) throw new Error('it does not follow')
    await Promise.resolve()
  }
}
