import { afterEach, describe, expect, test } from '@jest/globals'
import type { InvalidationBus } from '../index.ts'
import { bareReplica, beforeTimers, passingUntil } from './bare-replica.test.helper.ts'
import {
  ACME,
  endAll,
  GLOBEX,
  MemoryBus,
  replica,
  type Replica,
  replicasEvents,
  ScriptedReplica,
  SECRET,
  turn,
  until,
  WEB,
} from './replicas.test.helper.ts'
import { internal } from './policy-internals.test.helper.ts'

const { signMessage } =
  await internal<typeof import('../../../policy/src/replicas/message.ts')>('replicas/message.js')

afterEach(endAll)

/** Whether a replica forgets what it remembers about a caller when something happens. */
async function forgets(
  { ask, asked }: Replica,
  happens: () => unknown,
  caller = WEB,
): Promise<boolean> {
  await ask(caller)
  const before = asked.times
  await happens()
  await ask(caller)
  return asked.times > before
}

/** Says that the subscription is in place, and brings nothing. */
const inPlace: InvalidationBus['subscribe'] = ({ onSubscribed }) => {
  onSubscribed()
  return () => undefined
}

/** Says that there is no subscription, which is then ended so. */
const failing =
  (end: () => void | Promise<void>): InvalidationBus['subscribe'] =>
  ({ onError }) => {
    onError(new Error('no'))
    return end
  }

describe('replicas on a bus', () => {
  test('forget what one of them is told to forget, and nothing else', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    for (const { ask } of [one, two]) {
      await ask(WEB)
      await ask(GLOBEX)
    }
    one.app.authz.invalidate(ACME)
    await until(() => bus.scopes.includes('example.org/acme'))
    for (const { ask } of [one, two]) {
      await ask(WEB)
      await ask(GLOBEX)
    }
    expect([one.asked.times, two.asked.times]).toEqual([3, 3])
  })

  test('forget everything when one of them is told to', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    const isForgotten = await forgets(two, async () => {
      one.app.authz.invalidate()
      await until(() => bus.scopes.includes('*'))
    })
    expect(isForgotten).toBe(true)
  })

  test.each<[string, { secret: string; bus: string }]>([
    ['without the secret', { secret: 'a guess of sixteen', bus: 'memory' }],
    ['for another bus', { secret: SECRET, bus: 'another' }],
  ])('believe no message that was signed %s, count it and warn once', async (_, key) => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    const forged = signMessage({ kind: 'invalidation', sender: 'x', count: 1, scope: '*' }, key)
    expect(await forgets(one, () => bus.deliver(forged))).toBe(false)
    bus.deliver(forged)
    expect(one.app.authz.replicas()).toMatchObject({ unverified: 2 })
    const warnings = () => one.lines().filter(({ code }) => code === 'message-unverified')
    await until(() => warnings().length > 0)
    bus.deliver(forged)
    const { length } = bus.sent
    await until(() => bus.sent.length > length + 1)
    expect(warnings()).toHaveLength(1)
  })

  test('do nothing about a message that is sent again', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    one.app.authz.invalidate()
    await until(() => bus.scopes.length === 1)
    const isForgotten = await forgets(two, () => {
      for (const text of bus.sent) bus.deliver(text)
    })
    expect(isForgotten).toBe(false)
  })

  test('do nothing about their own messages that are sent again, also after a restart', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    one.app.authz.invalidate()
    await until(() => bus.scopes.length === 1)
    await one.app.close()
    const recorded = [...bus.sent]
    const two = await replica(bus)
    for (const text of recorded) bus.deliver(text)
    expect(await forgets(two, () => recorded.forEach((text) => bus.deliver(text)))).toBe(false)
    expect(two.app.authz.replicas()).toMatchObject({ state: 'current', unverified: 0 })
  })

  test('forget everything when a message of another was lost: by its next invalidation', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    const other = new ScriptedReplica(bus)
    other.invalidate('example.org/initech')
    expect(await forgets(one, () => other.invalidate('example.org/initech'))).toBe(false)
    other.count++
    expect(await forgets(one, () => other.invalidate('example.org/initech'))).toBe(true)
  })

  test('forget everything when a message of another was lost: by its next heartbeat', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    const other = new ScriptedReplica(bus)
    other.sync()
    expect(await forgets(one, () => other.sync())).toBe(false)
    other.count++
    expect(await forgets(one, () => other.sync())).toBe(true)
    expect(await forgets(one, () => other.sync())).toBe(false)
  })

  test('forget everything for one that they have not heard before and that has invalidated', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    const other = new ScriptedReplica(bus)
    other.count = 7
    expect(await forgets(one, () => other.sync())).toBe(true)
    expect(await forgets(one, () => other.invalidate('example.org/initech'))).toBe(false)
  })

  test('forget everything when messages of their own do not come back', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    bus.isDeaf = true
    one.app.authz.invalidate({ ...ACME, name: 'initech' })
    await until(() => bus.scopes.length === 1)
    bus.isDeaf = false
    const isForgotten = await forgets(one, async () => {
      const { length } = bus.sent
      await until(() => bus.sent.length > length + 1)
    })
    expect(isForgotten).toBe(true)
  })

  test('forget everything after each interruption of the subscription', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    for (let times = 0; times < 3; times++) {
      expect(await forgets(one, () => bus.resume())).toBe(true)
    }
  })

  test('forget everything while more messages come than they verify', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus, { replicas: { heartbeatMs: 600_000 } as never })
    const noise = (times: number) => () => {
      for (let sent = 0; sent < times; sent++) bus.deliver('noise')
    }
    expect(await forgets(one, noise(19_000))).toBe(false)
    expect(await forgets(one, noise(2_000))).toBe(true)
    const { unverified } = one.app.authz.replicas()!
    expect(unverified).toBeLessThanOrEqual(20_000)
  })

  test('forget once more in each maxStaleMs while another is silent, which may not be able to publish', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const one = await replica(bus, { clock: () => time.now })
    new ScriptedReplica(bus).sync()
    const beats = async (): Promise<void> => {
      const { length } = bus.sent
      await until(() => bus.sent.length > length + 1)
    }
    expect(await forgets(one, beats)).toBe(false)
    time.now += 61_000
    await beats()
    expect(await forgets(one, beats)).toBe(false)
    time.now += 59_000
    expect(await forgets(one, beats)).toBe(false)
    time.now += 2_000
    expect(await forgets(one, beats)).toBe(true)
  })

  test('miss one that is silent though its heartbeats are sent again', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const one = await replica(bus, { clock: () => time.now })
    const recorded = new ScriptedReplica(bus).sync()
    const beats = async (): Promise<void> => {
      bus.deliver(recorded)
      const { length } = bus.sent
      await until(() => bus.sent.length > length + 1)
    }
    time.now += 59_000
    expect(await forgets(one, beats)).toBe(false)
    time.now += 2_000
    expect(await forgets(one, beats)).toBe(true)
  })

  test.each<[string, number, (bus: MemoryBus) => void]>([
    ['subscriptions are interrupted', 20, (bus) => bus.resume()],
    ['messages are added', 20_001, (bus) => bus.deliver('noise')],
  ])('refuse nobody while %s over and over, and use nothing', async (_, times, disturb) => {
    const bus = new MemoryBus()
    let asked = 0
    const decide = async (): Promise<boolean> => {
      asked++
      disturb(bus)
      await turn()
      return true
    }
    const engines = [{ name: 'judge', cost: 'io', decide }] as const
    const replicas = { bus, secret: SECRET, heartbeatMs: 600_000 }
    const one = await replica(bus, { engines, replicas })
    for (let time = 0; time < times; time++) disturb(bus)
    await one.ask()
    await one.ask()
    expect(asked).toBe(2)
  })

  test('do not wait for one that has said that it ends, nor listen to it any more', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus, { clock: () => time.now }), await replica(bus)]
    const { messages } = bus
    const { sender } = messages.at(-1)!
    await two.app.close()
    expect(bus.messages.at(-1)).toMatchObject({ kind: 'end', sender })
    time.now += 61_000
    const { length } = bus.sent
    await until(() => bus.sent.length > length + 1)
    const late = { kind: 'invalidation', sender, count: 1, scope: '*' } as const
    const text = signMessage(late, { secret: SECRET, bus: bus.name })
    expect(await forgets(one, () => bus.deliver(text))).toBe(false)
  })

  test('tell that everybody is to forget in place of more than 10 000 tenants that they could not tell of', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    bus.isDown = true
    for (let at = 0; at < 10_001; at++) app.authz.invalidate({ ...ACME, name: `tenant-${at}` })
    await turn()
    expect(app.authz.replicas()).toMatchObject({ pending: 1, problem: 'bus-failed' })
    bus.isDown = false
    await until(() => bus.scopes.length > 0)
    await turn()
    expect(bus.scopes.at(-1)).toBe('*')
    expect(bus.scopes.length).toBeLessThanOrEqual(2)
  })

  test('tell that everybody is to forget in place of a tenant whose name is longer than a message', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    app.authz.invalidate({ ...ACME, name: 'a'.repeat(5000) })
    await until(() => bus.scopes.length === 1)
    expect(bus.scopes).toEqual(['*'])
  })

  test('tell of each of many invalidations once, and again of one that is made meanwhile', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    const tenants = Array.from({ length: 50 }, (_, at) => ({ ...ACME, name: `tenant-${at}` }))
    for (const tenant of tenants) app.authz.invalidate(tenant)
    await until(() => bus.scopes.length > 0)
    app.authz.invalidate(tenants[0])
    app.authz.invalidate(ACME)
    await until(() => bus.scopes.includes('example.org/acme'))
    await turn()
    const scopes = tenants.map(({ name }) => `example.org/${name}`)
    expect(bus.scopes).toEqual([...scopes, scopes[0], 'example.org/acme'])
  })

  test('send again what may or may not have been published, so that nobody hears it twice', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    const publish = bus.publish.bind(bus)
    const answers = { areLost: true }
    bus.publish = async (message) => {
      const isInvalidation = message.includes('"invalidation"')
      if (!isInvalidation || !answers.areLost || bus.scopes.length === 0) await publish(message)
      if (isInvalidation && answers.areLost) throw new Error('the answer was lost')
    }
    one.app.authz.invalidate(ACME)
    await until(() => bus.scopes.length === 1)
    const isForgotten = await forgets(two, async () => {
      answers.areLost = false
      await until(() => bus.scopes.length === 2)
    })
    const invalidations = bus.sent.filter((text) => text.includes('"invalidation"'))
    expect(new Set(invalidations).size).toBe(1)
    expect(isForgotten).toBe(false)
  })

  test('use nothing that they remember when their clock is set back while the bus is out of reach', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const { ask, asked } = await replica(bus, { clock: () => time.now })
    await ask()
    bus.isDown = true
    time.now -= 3_600_000
    await ask()
    await ask()
    expect(asked.times).toBe(3)
  })

  test.each<[string, (bus: MemoryBus) => void, string]>([
    ['is out of reach', (bus) => void (bus.isDown = true), 'bus-failed'],
    [
      'delivers and refuses to take',
      (bus) => void (bus.refusal = new Error('READONLY You can not write against a replica')),
      'bus-failed',
    ],
  ])(
    'use nothing that they remember while the bus %s for too long, and again afterwards',
    async (_, breakIt, problem) => {
      const time = { now: Date.now() }
      const events = replicasEvents()
      const bus = new MemoryBus()
      const { app, ask, asked } = await replica(bus, { clock: () => time.now })
      await ask()
      breakIt(bus)
      time.now += 20_000
      await ask()
      expect(asked.times).toBe(1)
      time.now += 41_000
      await ask()
      await ask()
      expect(asked.times).toBe(3)
      await until(() => events.at(-1)?.state === 'stale')
      expect(app.authz.replicas()).toMatchObject({ state: 'stale', problem })
      bus.isDown = false
      bus.refusal = null
      await until(() => events.at(-1)?.state === 'current')
      await ask()
      await ask()
      expect(asked.times).toBeLessThanOrEqual(4)
      expect(events.map(({ state }) => state)).toEqual(['current', 'stale', 'current'])
      expect(app.authz.replicas()).toMatchObject({ state: 'current', problem: null })
    },
  )

  test('are out of touch on a bus that takes messages and does not bring them, and subscribe again', async () => {
    const bus = new MemoryBus()
    const { replicas, deadlines } = bareReplica(bus)
    await until(() => replicas.state.state === 'current')
    const { subscriptions } = bus
    bus.isDeaf = true
    await until(() => deadlines.delays.length > 0)
    expect([deadlines.delays, replicas.state.problem]).toEqual([[2000], null])
    deadlines.pass()
    await until(() => replicas.state.problem === 'bus-deaf')
    bus.isDeaf = false
    await until(() => bus.subscriptions > subscriptions)
    await until(() => replicas.state.problem === null)
    expect(bus.listeners.size).toBe(1)
  })

  test('are out of touch on a bus that never says that the subscription is in place', async () => {
    const memory = new MemoryBus()
    let ended = 0
    let subscribe: InvalidationBus['subscribe'] = () => () => void ended++
    const { replicas, deadlines } = bareReplica({
      name: memory.name,
      publish: (message) => memory.publish(message),
      subscribe: (listener) => subscribe(listener),
    })
    await until(() => deadlines.delays.length > 0)
    expect([deadlines.delays, replicas.state.problem]).toEqual([[2000], null])
    deadlines.pass()
    await beforeTimers(() => replicas.state.problem === 'bus-timeout')
    expect(ended).toBe(1)
    subscribe = (listener) => memory.subscribe(listener)
    await until(() => replicas.state.state === 'current')
  })

  test('give a bus that does not answer no more than it can hold', async () => {
    const bus = new MemoryBus()
    let calls = 0
    const { replicas, deadlines } = bareReplica(bus)
    await until(() => replicas.state.state === 'current')
    bus.publish = async () => {
      calls++
      await new Promise(() => undefined)
    }
    await until(() => calls === 1)
    expect([deadlines.delays, replicas.state.problem]).toEqual([[2000], null])
    deadlines.pass()
    await until(() => replicas.state.problem === 'bus-timeout')
    for (let times = 0; times < 100; times++) replicas.publish(`example.org/tenant-${times}`)
    await passingUntil(deadlines, () => calls === 3)
    for (let times = 0; times < 100; times++) {
      replicas.publish('example.org/acme')
      await turn()
      deadlines.pass()
    }
    expect(calls).toBe(3)
  })

  test.each<[string, Partial<InvalidationBus>]>([
    [
      'throws where it is to publish',
      {
        subscribe: inPlace,
        publish: () => {
          throw new Error('no')
        },
      },
    ],
    [
      'throws where it is to subscribe',
      {
        subscribe: () => {
          throw new Error('no')
        },
      },
    ],
    [
      'throws where a subscription is to end',
      {
        subscribe: failing(() => {
          throw new Error('no')
        }),
      },
    ],
    [
      'rejects where a subscription is to end',
      { subscribe: failing(() => Promise.reject(new Error('no'))) },
    ],
    [
      'calls its listener with what is no message',
      {
        subscribe: ({ onMessage, onError }) => {
          onMessage(undefined as never)
          onMessage({ length: 44 } as never)
          onError(undefined)
          return () => undefined
        },
      },
    ],
  ])('survive a bus that %s', async (_, part) => {
    const events = replicasEvents()
    const { app, ask } = await replica({
      name: 'broken',
      publish: async () => undefined,
      subscribe: () => () => undefined,
      ...part,
    })
    app.authz.invalidate(ACME)
    await until(() => events.length > 0)
    await ask()
    expect(app.authz.replicas()?.state).toBe('stale')
    await app.close()
  })

  test('log what the subscription said where publishing has no answer', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const { replicas, deadlines, lines } = bareReplica(bus, () => time.now)
    await until(() => replicas.state.state === 'current')
    bus.publish = () => new Promise(() => undefined)
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    for (const { onError } of bus.listeners) onError(refused)
    time.now += 61_000
    await passingUntil(deadlines, () => lines.length > 0)
    expect(lines).toMatchObject([{ level: 40, cause: 'Error (ECONNREFUSED): connect' }])
  })

  test('tell what they could not tell once the bus is back', async () => {
    const bus = new MemoryBus()
    const events = replicasEvents()
    const [one, two] = [await replica(bus), await replica(bus)]
    const isForgotten = await forgets(two, async () => {
      bus.refusal = Object.assign(new Error('OOM command not allowed'), { command: SECRET })
      one.app.authz.invalidate(ACME)
      await until(() => events.at(-1)?.pending === 1)
      expect(bus.scopes).toEqual([])
      expect(one.app.authz.replicas()).toMatchObject({ pending: 1, problem: 'bus-failed' })
      bus.refusal = null
      await until(() => events.at(-1)?.pending === 0)
    })
    expect(isForgotten).toBe(true)
    expect(bus.scopes).toEqual(['example.org/acme'])
    const lines = one.lines().filter(({ pending }) => pending !== undefined)
    expect(lines).toMatchObject([
      { level: 40, code: 'bus-failed', pending: 1, cause: 'Error: OOM command not allowed' },
      { level: 30, pending: 0 },
    ])
    expect(JSON.stringify(lines)).not.toContain(SECRET)
  })

  test('tell what is pending before they close, and say what they could not tell', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus)
    one.app.authz.invalidate(ACME)
    await one.app.close()
    expect(bus.scopes).toEqual(['example.org/acme'])
    expect(bus.listeners.size).toBe(0)
    const two = await replica(bus)
    bus.isDown = true
    two.app.authz.invalidate(ACME)
    await two.app.close()
    expect(two.lines().at(-1)).toMatchObject({ level: 40, code: 'invalidations-lost', pending: 1 })
  })

  test('boot without the bus, and use nothing that they remember until it is there', async () => {
    const bus = new MemoryBus()
    bus.isDown = true
    const { ask, asked, lines } = await replica(bus)
    await ask()
    await ask()
    expect(asked.times).toBe(2)
    expect(lines()).toMatchObject([
      { level: 40, code: 'bus-failed', state: 'stale', cause: 'Error: out of reach' },
    ])
    bus.isDown = false
    await until(() => lines().length === 2)
    expect(lines()[1]).toMatchObject({ level: 30, state: 'current' })
    await ask()
    await ask()
    expect(asked.times).toBe(3)
  })

  test('log that the bus is out of touch and back once a minute, and how it ended', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const events = replicasEvents()
    const { lines } = await replica(bus, { clock: () => time.now })
    const change = async (state: 'stale' | 'current'): Promise<void> => {
      bus.isDown = state === 'stale'
      if (bus.isDown) time.now -= 1
      await until(() => events.at(-1)?.state === state)
    }
    for (let times = 0; times < 5; times++) {
      await change('stale')
      await change('current')
    }
    expect(lines().map(({ state }) => state)).toEqual(['stale', 'current'])
    await change('stale')
    time.now += 120_000
    await until(() => lines().length === 3)
    expect(lines()[2]).toMatchObject({ state: 'stale' })
  })

  test.each<[string, object, string?]>([
    ['a short secret', { secret: 'short' }],
    ['no bus', { bus: undefined }],
    ['a bus without a name', { bus: { publish: async () => undefined, subscribe: () => () => 0 } }],
    ['a bus that cannot subscribe', { bus: { name: 'bus', publish: async () => undefined } }],
    ['an unknown key', { ttl: 1 }, 'unknown-option'],
  ])('with %s do not boot', async (_, replicas, code = 'invalid-option') => {
    const options = { replicas: { bus: new MemoryBus(), secret: SECRET, ...replicas } }
    await expect(replica(new MemoryBus(), options as never)).rejects.toMatchObject({ code })
  })

  test.each(['secret', 'secrets'])('never tell the secret in an error: %s', async (key) => {
    const replicas = { bus: new MemoryBus(), [key]: 'hush' }
    const booting = replica(new MemoryBus(), { replicas: replicas as never })
    await expect(booting).rejects.toThrow(new RegExp(`^(?!.*hush).*replicas.*\\b${key}\\b`, 's'))
  })
})
