import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { DecisionEvent } from './index.ts'

/** What a diagnostics channel carries while `work` runs. */
export async function eventsDuring<T>(channel: string, work: () => Promise<unknown>): Promise<T[]> {
  const events: T[] = []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
  const listen = (event: unknown): void => void events.push(event as T)
  subscribe(channel, listen)
  try {
    await work()
  } finally {
    unsubscribe(channel, listen)
  }
  return events
}

/** The reasons of the decisions that are made while `work` runs. */
export async function reasonsDuring(work: () => Promise<unknown>): Promise<readonly string[]> {
  const events = await eventsDuring<DecisionEvent>('spiffe:authz:decision', work)
  return events.map(({ reason }) => reason)
}
