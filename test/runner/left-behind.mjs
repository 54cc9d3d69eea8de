/** What a test file leaves behind, where the next file of the same worker would find it. */
import diagnosticsChannel from 'node:diagnostics_channel'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_AGAIN_MS = 10

const subscribers = new Map()
/** On Node 20, a channel that is collected can take a later one of its name along, with its subscribers. */
const held = new Set()
const channelOf = diagnosticsChannel.channel
diagnosticsChannel.channel = (name) => {
  const channel = channelOf(name)
  if (isOurs(name)) held.add(channel)
  return channel
}
count('subscribe', 1)
count('unsubscribe', -1)
syncBuiltinESMExports()

/** Counts the subscribers of the channels of the project, which nobody else counts. */
function count(name, change) {
  const original = diagnosticsChannel[name]
  diagnosticsChannel[name] = (channel, onMessage) => {
    diagnosticsChannel.channel(channel)
    const result = original(channel, onMessage)
    if (isOurs(channel) && result !== false)
      subscribers.set(channel, (subscribers.get(channel) ?? 0) + change)
    return result
  }
}

function isOurs(name) {
  return String(name).startsWith('spiffe:')
}

/** What there is now: amounts, by kind and name, and values. */
export function look() {
  const amounts = new Map(subscribers)
  for (const name of process.getActiveResourcesInfo())
    amounts.set(name, (amounts.get(name) ?? 0) + 1)
  for (const name of process.eventNames()) {
    amounts.set(`listener of process for ${String(name)}`, process.listenerCount(name))
  }
  const values = new Map([['the working directory', process.cwd()]])
  for (const [name, value] of Object.entries(process.env)) values.set(`process.env.${name}`, value)
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    // The helpers of `tslib`, of which each copy puts its own there when it is loaded.
    if (name.startsWith('__')) continue
    if (value !== undefined) values.set(`globalThis.${name}`, value)
  }
  return { amounts, values }
}

/** Waits until everything is as it was, but no longer than `timeoutMs`; what is not, in words. */
export async function leftBehind(before, timeoutMs) {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = differences(before, look())
    if (found.length === 0 || performance.now() > deadline) return found
    // oxlint-disable-next-line no-await-in-loop -- it is a loop that waits
    await delay(LOOK_AGAIN_MS, undefined, { ref: false })
  }
}

function differences(before, now) {
  const found = []
  for (const [name, amount] of now.amounts) {
    const more = amount - (before.amounts.get(name) ?? 0)
    if (more > 0) found.push(`${more} more: ${name}`)
  }
  for (const name of new Set([...before.values.keys(), ...now.values.keys()])) {
    // A new global is that of a library, which is loaded once.
    if (!before.values.has(name) && name.startsWith('globalThis.')) continue
    if (!Object.is(before.values.get(name), now.values.get(name))) found.push(`changed: ${name}`)
  }
  return found
}
