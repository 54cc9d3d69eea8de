import { EventEmitter, once } from 'node:events'
import type { FastifyInstance, RawServerBase } from 'fastify'

export interface Held {
  /** What the application is equipped with. */
  readonly equip: (app: FastifyInstance<RawServerBase>) => void
  /** Resolves once the first request has been handled, and its answer waits. */
  readonly arrival: Promise<unknown>
  readonly release: () => void
}

/** Has a service keep the answer to its first request, until it is released. */
export const held = (): Held => {
  const events = new EventEmitter()
  const released = once(events, 'release')
  const arrival = once(events, 'arrival')
  let isFirst = true
  const equip = (app: FastifyInstance<RawServerBase>): void => {
    app.addHook('onSend', async () => {
      if (!isFirst) return
      isFirst = false
      events.emit('arrival')
      await released
    })
  }
  const release = (): void => void events.emit('release')
  return { equip, arrival, release }
}
