// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { createClient } from 'redis'
import {
  authz,
  type AuthzOptions,
  type InvalidationBus,
  type InvalidationListener,
  type PolicyDocument,
  type ReplicasOptions,
} from '../index.ts'
import { openNotice, sealNotice } from './notice.ts'
import { DeviceList } from '../device/index.ts'
import { redisBus, redisDevices } from './redis/index.ts'

const WEB = 'spiffe://example.org/acme/web'
const GLOBEX = 'spiffe://example.org/globex/web'
const SECRET = 'a secret of sixteen or more characters'
const ACME = { trustDomain: 'example.org', name: 'acme' }

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

/** A replica that counts how often its engine is asked. */
async function replica(bus: InvalidationBus, options: Partial<AuthzOptions> = {}) {
  const asked = { times: 0 }
  const judge = {
    name: 'judge',
    cost: 'io',
    decide: async () => {
      asked.times++
      return true
    },
  } as const
  const app: FastifyInstance = Fastify()
  endings.push(() => app.close())
  await app.register(peer)
  const replicas = { bus, secret: SECRET, heartbeatMs: 50, maxStaleMs: 60_000, ...options.replicas }
  await app.register(authz, {
    tenant: '/{tenant}/{workload}',
    engines: [judge],
    ...options,
    replicas,
  })
  app.get('/', { config: { spiffe: { anyAuthenticated: true, engines: ['judge'] } } }, () => 'in')
  await app.ready()
  const ask = async (caller = WEB): Promise<void> => {
    expect((await injectAs(app, caller, '/')).statusCode).toBe(200)
  }
  return { app, ask, asked }
}

/** Waits for what has to come, in turns of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate)
}

/** Asks until the engine has been asked for a second time. What comes over sockets needs turns of the event loop. */
async function askUntilAsked({
  ask,
  asked,
}: Pick<Awaited<ReturnType<typeof replica>>, 'ask' | 'asked'>): Promise<void> {
  while (asked.times === 1) {
    await new Promise(setImmediate)
    await ask()
  }
}

/** A bus in memory, as far as it has to be to show what replicas do with any. */
class MemoryBus implements InvalidationBus {
  readonly stored = new Map<string, number>()
  readonly listeners = new Set<InvalidationListener>()
  isDown = false

  async advance(scope: string, known: number): Promise<number> {
    this.#assertUp()
    const epoch = Math.max(Date.now(), known + 1, ...[...this.stored.values()].map((it) => it + 1))
    this.stored.set(scope, epoch)
    return epoch
  }

  async publish(notice: string): Promise<void> {
    this.#assertUp()
    for (const { onNotice } of this.listeners) onNotice(notice)
  }

  async subscribe(listener: InvalidationListener): Promise<void> {
    this.#assertUp()
    this.listeners.add(listener)
  }

  async read(readUpTo: number): Promise<ReadonlyMap<string, number>> {
    this.#assertUp()
    return new Map([...this.stored].filter(([, epoch]) => epoch > readUpTo))
  }

  async close(): Promise<void> {
    this.listeners.clear()
  }

  #assertUp(): void {
    if (this.isDown) throw new Error('out of reach')
  }
}

describe('a notice', () => {
  const notice = { scope: 'example.org/acme', epoch: 1_000, policyVersion: 'v1' }
  const sealed = sealNotice(notice, SECRET)

  test('is read by whoever knows the secret', () => {
    expect(openNotice(sealed, SECRET)).toEqual(notice)
    expect(openNotice(sealed, `${SECRET}.`)).toBeNull()
  })

  test.each([
    ['another scope', sealed.replace('acme', 'acmf')],
    ['another epoch', sealed.replace('1000', '1001')],
    ['another version', sealed.replace('v1', 'v2')],
    ['another seal', sealed.replace(/"mac":"./, '"mac":"-')],
    ['no seal', JSON.stringify(notice)],
    ['an epoch that is a text', sealed.replace('1000', '"1000"')],
    ['no JSON', '{'],
    ['null', 'null'],
    ['too much', sealed + ' '.repeat(5000)],
  ])('with %s is none', (_, text) => {
    expect(openNotice(text, SECRET)).toBeNull()
  })
})

describe('replicas on a bus', () => {
  test('forget what one of them is told to forget, and nothing else', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    for (const { ask } of [one, two]) {
      await ask(WEB)
      await ask(GLOBEX)
    }
    one.app.authz.invalidate(ACME)
    await until(() => bus.stored.has('example.org/acme'))
    for (const { ask } of [one, two]) {
      await ask(WEB)
      await ask(GLOBEX)
    }
    expect([one.asked.times, two.asked.times]).toEqual([3, 3])
  })

  test('believe no notice that was written without the secret', async () => {
    const bus = new MemoryBus()
    const { ask, asked } = await replica(bus)
    await ask()
    for (const { onNotice } of bus.listeners) {
      onNotice(
        sealNotice({ scope: '*', epoch: Date.now(), policyVersion: 'code' }, 'a guess of sixteen'),
      )
    }
    await ask()
    expect(asked.times).toBe(1)
  })

  test('do nothing about a notice that is sent again', async () => {
    const bus = new MemoryBus()
    const { app, ask, asked } = await replica(bus)
    const sent: string[] = []
    bus.listeners.add({ onNotice: (text) => void sent.push(text), onReconnected: () => undefined })
    app.authz.invalidate()
    await until(() => sent.length === 1)
    await ask()
    for (const { onNotice } of bus.listeners) onNotice(sent[0]!)
    await ask()
    expect(asked.times).toBe(1)
  })

  test('hear a notice although whoever has no secret has stored a greater epoch', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    bus.stored.set('example.org/acme', Date.now() + 300_000)
    for (const { onReconnected } of [...bus.listeners].slice(1)) onReconnected()
    await new Promise(setImmediate)
    bus.stored.clear()
    await two.ask()
    one.app.authz.invalidate(ACME)
    await new Promise(setImmediate)
    await two.ask()
    expect(two.asked.times).toBe(2)
  })

  test('forget for the later of two invalidations too, whatever the clocks of those who told of them', async () => {
    const bus = new MemoryBus()
    const ahead = await replica(bus, { clock: () => Date.now() + 5000 })
    const behind = await replica(bus, { clock: () => Date.now() - 5000 })
    // It has not heard of the first invalidation when it makes the second.
    bus.listeners.delete([...bus.listeners].at(-1)!)
    const third = await replica(bus)
    for (const { app } of [ahead, behind]) {
      await third.ask()
      app.authz.invalidate(ACME)
      await new Promise(setImmediate)
    }
    await third.ask()
    expect(third.asked.times).toBe(3)
  })

  test('forget once for what they hear of and read of', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    one.app.authz.invalidate(ACME)
    await until(() => bus.stored.has('example.org/acme'))
    await new Promise(setImmediate)
    await two.ask()
    for (const { onReconnected } of bus.listeners) onReconnected()
    await new Promise(setImmediate)
    await two.ask()
    expect(two.asked.times).toBe(1)
  })

  test('tell that everybody is to forget in place of more than 10 000 tenants that they could not tell of', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    bus.isDown = true
    for (let at = 0; at < 10_001; at++) app.authz.invalidate({ ...ACME, name: `tenant-${at}` })
    await new Promise(setImmediate)
    bus.isDown = false
    await until(() => bus.stored.has('*'))
    expect([...bus.stored.keys()]).toEqual(['*'])
  })

  test('tell of each of many invalidations once, and again of one that is made meanwhile', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    const told: (string | undefined)[] = []
    const onNotice = (text: string): void => void told.push(openNotice(text, SECRET)?.scope)
    bus.listeners.add({ onNotice, onReconnected: () => undefined })
    const tenants = Array.from({ length: 50 }, (_, at) => ({ ...ACME, name: `tenant-${at}` }))
    for (const tenant of tenants) app.authz.invalidate(tenant)
    app.authz.invalidate(tenants[0])
    app.authz.invalidate(ACME)
    await until(() => told.includes('example.org/acme'))
    await new Promise(setImmediate)
    const scopes = tenants.map(({ name }) => `example.org/${name}`)
    expect(told).toEqual([...scopes, scopes[0], 'example.org/acme'])
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

  test('learn what they missed from what is stored', async () => {
    const bus = new MemoryBus()
    const { ask, asked } = await replica(bus)
    await ask()
    bus.stored.set('example.org/acme', Date.now())
    for (const { onReconnected } of bus.listeners) onReconnected()
    await new Promise(setImmediate)
    await ask()
    expect(asked.times).toBe(2)
  })

  test('use nothing that they remember while an epoch is stored that nobody made', async () => {
    const bus = new MemoryBus()
    bus.stored.set('*', Number.MAX_SAFE_INTEGER)
    const { ask, asked } = await replica(bus)
    await ask()
    for (const { onReconnected } of bus.listeners) onReconnected()
    await new Promise(setImmediate)
    await ask()
    expect(asked.times).toBe(2)
  })

  test('use nothing that they remember while the bus is out of reach for too long, and again afterwards', async () => {
    const time = { now: Date.now() }
    const states: string[] = []
    const listen = (event: unknown): void => void states.push((event as { state: string }).state)
    subscribe('spiffe:authz:replicas', listen)
    endings.push(() => unsubscribe('spiffe:authz:replicas', listen))
    const bus = new MemoryBus()
    const { ask, asked } = await replica(bus, { clock: () => time.now })
    await ask()
    bus.isDown = true
    time.now += 20_000
    await ask()
    expect(asked.times).toBe(1)
    time.now += 41_000
    await ask()
    await ask()
    expect(asked.times).toBe(3)
    bus.isDown = false
    for (const { onReconnected } of bus.listeners) onReconnected()
    await until(() => states.at(-1) === 'current')
    await ask()
    await ask()
    expect(asked.times).toBe(4)
    expect(states).toEqual(['current', 'stale', 'current'])
  })

  test('tell what they could not tell once the bus is back', async () => {
    const bus = new MemoryBus()
    const [one, two] = [await replica(bus), await replica(bus)]
    await two.ask()
    bus.isDown = true
    one.app.authz.invalidate(ACME)
    await new Promise(setImmediate)
    expect(bus.stored.size).toBe(0)
    bus.isDown = false
    await until(() => bus.stored.has('example.org/acme'))
    await two.ask()
    expect(two.asked.times).toBe(2)
  })

  test('boot without the bus, and use nothing that they remember until it is there', async () => {
    const bus = new MemoryBus()
    bus.isDown = true
    const { ask, asked } = await replica(bus)
    await ask()
    await ask()
    expect(asked.times).toBe(2)
    bus.isDown = false
    await until(() => bus.listeners.size === 1)
    await new Promise(setImmediate)
    await ask()
    await ask()
    expect(asked.times).toBe(3)
  })

  const policyFile = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'authz-replicas-'))
    endings.push(() => rm(folder, { recursive: true }))
    const file = join(folder, 'policy.json')
    const write = (version: string): Promise<void> =>
      writeFile(file, JSON.stringify(policyOf(version)))
    await write('v1')
    return { file, write }
  }
  const policyOf = (version: string): PolicyDocument => ({
    version,
    prefixes: { '/': { anyAuthenticated: true } },
  })

  test('take over the policy of another although they hear no notice', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: { file } })
    const [ofOne] = bus.listeners
    const two = await replica(bus, { policy: { file } })
    for (const listener of bus.listeners) if (listener !== ofOne) bus.listeners.delete(listener)
    await write('v2')
    await one.app.authz.reload()
    await until(() => two.app.authz.policyVersion === 'v2')
  })

  test('keep the policy that code has put in force when they read that everybody is to forget', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const { app, ask, asked } = await replica(bus, { policy: { file } })
    await app.authz.reload(policyOf('v3'))
    await until(() => bus.stored.has('*'))
    await ask()
    const before = asked.times
    bus.stored.set('*', Math.max(...bus.stored.values()) + 1)
    const [{ onReconnected }] = [...bus.listeners] as [InvalidationListener]
    onReconnected()
    await new Promise(setImmediate)
    await ask()
    // One replacement comes after the other: this one fails when all others are done.
    await expect(app.authz.reload({ prefixes: 1 } as never)).rejects.toMatchObject({
      code: 'invalid-rule',
    })
    expect([app.authz.policyVersion, asked.times]).toEqual(['v3', before + 1])
  })

  test('take over the policy that one of them has read anew', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await write('v2')
    expect(await one.app.authz.reload()).toBe('v2')
    await until(() => two.app.authz.policyVersion === 'v2')
    const notices = bus.stored.get('*')
    await new Promise(setImmediate)
    expect(bus.stored.get('*')).toBe(notices)
  })

  test('tell of a policy that is put in force here while another one is taken over', async () => {
    const bus = new MemoryBus()
    const { app } = await replica(bus)
    const told: (string | undefined)[] = []
    const onNotice = (text: string): void => void told.push(openNotice(text, SECRET)?.policyVersion)
    const [own] = bus.listeners
    bus.listeners.add({ onNotice, onReconnected: () => undefined })
    const reloading = app.authz.reload({ version: 'v3' })
    own?.onNotice(sealNotice({ scope: '*', epoch: Date.now(), policyVersion: 'v2' }, SECRET))
    await reloading
    await new Promise(setImmediate)
    expect(told).toEqual(['v3'])
  })

  test.each<[string, object, string?]>([
    ['a short secret', { secret: 'short' }],
    ['no bus', { bus: undefined }],
    ['an unknown key', { ttl: 1 }, 'unknown-option'],
  ])('with %s do not boot', async (_, replicas, code = 'invalid-option') => {
    const options = { replicas: { bus: new MemoryBus(), secret: SECRET, ...replicas } }
    await expect(replica(new MemoryBus(), options as never)).rejects.toMatchObject({ code })
  })

  test.each(['secret', 'secrets'])('never tell the secret in an error: %s', async (key) => {
    const replicas = { bus: new MemoryBus(), [key]: 'hush' }
    const booting = replica(new MemoryBus(), { replicas: replicas as never })
    await expect(booting).rejects.toThrow(new RegExp(`replicas\\.${key}\\b(?!.*hush)`, 's'))
  })
})

/** What a bus does, to be changed in part. */
function bound(bus: InvalidationBus): InvalidationBus {
  return {
    advance: (scope, known) => bus.advance(scope, known),
    publish: (notice) => bus.publish(notice),
    subscribe: (listener) => bus.subscribe(listener),
    read: (readUpTo, known) => bus.read(readUpTo, known),
    close: () => bus.close(),
  }
}

interface Client {
  set(key: string, value: string): Promise<unknown>
  del(key: string): Promise<unknown>
  zRem(key: string, member: string): Promise<unknown>
}

const hasRedis = spawnSync('redis-server', ['--version']).error === undefined
const describeRedis = hasRedis ? describe : describe.skip

describeRedis(
  `on Redis${hasRedis ? '' : ' (left out: there is no redis-server on this machine)'}`,
  () => {
    let folder: string
    let socket: string
    let server: ChildProcess | undefined

    const startRedis = async (): Promise<void> => {
      server = spawn(
        'redis-server',
        [
          '--port',
          '0',
          '--unixsocket',
          socket,
          '--save',
          '',
          '--appendonly',
          'no',
          '--dir',
          folder,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      let output = ''
      server.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
      await until(() => output.includes('ready to accept connections'))
    }
    const stopRedis = async (): Promise<void> => {
      if (server === undefined) return
      const exited = once(server, 'exit')
      server.kill('SIGKILL')
      await exited
      server = undefined
    }
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'authz-redis-'))
      socket = join(folder, 'redis.sock')
      await startRedis()
    }, 30_000)
    afterAll(async () => {
      await stopRedis()
      await rm(folder, { recursive: true })
    })

    async function redisReplica(
      options: Partial<AuthzOptions> = {},
      around: (bus: InvalidationBus, client: Client) => InvalidationBus = (bus) => bus,
    ) {
      const client = createClient({ socket: { path: socket, tls: false, reconnectStrategy: 20 } })
      client.on('error', () => undefined)
      await client.connect()
      endings.push(() => client.destroy())
      const bus = redisBus({ client, prefix: 'orders' })
      return { client, bus, ...(await replica(around(bus, client), options)) }
    }

    test('an invalidation of one replica reaches the others', async () => {
      const [one, two] = [await redisReplica(), await redisReplica()]
      await one.ask()
      await two.ask()
      one.app.authz.invalidate(ACME)
      await two.ask()
      await askUntilAsked(two)
      expect(two.asked.times).toBe(2)
      expect(await one.client.zRange('orders:epochs', 0, -1)).toEqual(['*', 'example.org/acme'])
    })

    test('each epoch is greater than all before, whoever asks for it and whatever he knows', async () => {
      const [one, two] = [await redisReplica(), await redisReplica()]
      const epochs: number[] = []
      for (const { bus } of [one, two, one, two]) epochs.push(await bus.advance('a/b', 0))
      epochs.push(await one.bus.advance('a/c', epochs.at(-1)! + 1000))
      epochs.push(await two.bus.advance('a/b', 0))
      expect(epochs).toEqual(epochs.toSorted((a, b) => a - b))
      expect(new Set(epochs).size).toBe(6)
      expect(epochs[4]).toBeGreaterThan(epochs[3]! + 1000)
      const together = [one, two, one, two].map(({ bus }) => bus.advance('a/b', 0))
      expect(new Set(await Promise.all(together)).size).toBe(4)
    })

    test('what is newer than a known epoch is read, and nothing else', async () => {
      const { bus } = await redisReplica()
      const [b, c] = [await bus.advance('a/b', 0), await bus.advance('a/c', 0)]
      expect(await bus.read(b, c)).toEqual(new Map([['a/c', c]]))
      expect(await bus.read(c, c)).toEqual(new Map())
    })

    test('whoever knows what is stored no more reads that everybody is to forget', async () => {
      const { bus, client } = await redisReplica()
      const known = await bus.advance('a/b', 0)
      expect(await bus.read(known, known)).toEqual(new Map())
      await client.del('orders:epochs')
      expect([...(await bus.read(known, known)).keys()]).toEqual(['*'])
      await client.zAdd('orders:epochs', { value: 'a/b', score: known - 1 })
      await client.zRemRangeByScore('orders:epochs', known, '+inf')
      expect([...(await bus.read(known, known)).keys()]).toEqual(['*'])
    })

    test('the epoch of everybody stands for what was stored beyond 10 000 scopes', async () => {
      const { bus, client } = await redisReplica()
      const before = await bus.advance('a/before', 0)
      const first = await bus.advance('a/first', 0)
      const scopes = Array.from({ length: 9999 }, (_, at) => ({
        value: `a/${at}`,
        score: first + 1 + at,
      }))
      await client.zAdd('orders:epochs', scopes)
      const last = await bus.advance('a/last', 0)
      expect(await client.zCard('orders:epochs')).toBe(10_000)
      expect(await client.zScore('orders:epochs', 'a/first')).toBeNull()
      expect([...(await bus.read(before, before)).keys()]).toContain('*')
      expect(await bus.read(last - 1, last)).toEqual(new Map([['a/last', last]]))
    })

    test('an epoch that nobody made is put away, and everybody forgets', async () => {
      const { bus, client } = await redisReplica()
      const known = await bus.advance('a/b', 0)
      await client.zAdd('orders:epochs', { value: 'a/b', score: Number.MAX_SAFE_INTEGER })
      const read = await bus.read(known, known)
      expect([...read.keys()]).toEqual(['*'])
      expect(read.get('*')).toBeLessThan(Date.now() + 60_000)
    })

    test('whoever has heard of more than is stored makes all who read forget everything', async () => {
      const { bus, client } = await redisReplica()
      const before = await bus.advance('a/b', 0)
      const lost = await bus.advance('a/c', before)
      await client.zRem('orders:epochs', 'a/c')
      expect(await bus.read(before, before)).toEqual(new Map())
      const [[scope, epoch]] = [...(await bus.read(before, lost))] as [[string, number]]
      expect([scope, epoch > lost]).toEqual(['*', true])
      expect(await bus.read(before, before)).toEqual(new Map([['*', epoch]]))
    })

    test.each<[string, (client: Client) => unknown]>([
      ['everything', (client) => client.del('orders:epochs')],
      ['the last epoch', (client) => client.zRem('orders:epochs', 'example.org/acme')],
    ])('a store that loses %s hides no invalidation from who missed it', async (_, lose) => {
      const lost = new EventEmitter()
      const one = await redisReplica({}, (bus, client) => ({
        ...bound(bus),
        // It hears nothing of its own either: it knows of what it has made.
        subscribe: async () => undefined,
        advance: async (scope, known) => {
          const epoch = await bus.advance(scope, known)
          await lose(client)
          lost.emit('lost')
          return epoch
        },
      }))
      const link = { isDown: false }
      const deaf = await redisReplica({}, (bus) => ({
        ...bound(bus),
        subscribe: async () => undefined,
        read: async (readUpTo, known) => {
          if (link.isDown) throw new Error('out of reach')
          return await bus.read(readUpTo, known)
        },
      }))
      await deaf.ask()
      link.isDown = true
      const losing = once(lost, 'lost')
      one.app.authz.invalidate(ACME)
      await losing
      link.isDown = false
      await askUntilAsked(deaf)
      expect(deaf.asked.times).toBe(2)
    })

    test('a server that is killed and started again loses no invalidation', async () => {
      const one = await redisReplica()
      const two = await redisReplica()
      await two.ask()
      await stopRedis()
      one.app.authz.invalidate(ACME)
      await two.ask()
      expect(two.asked.times).toBe(1)
      await startRedis()
      await askUntilAsked(two)
      expect(two.asked.times).toBe(2)
    }, 30_000)

    test('a set there confirms the devices of a long list', async () => {
      const { client } = await redisReplica()
      await client.sAdd('devices', ['d-7', 'd-8'])
      const confirm = redisDevices(client, 'devices')
      const list = new DeviceList(['d-7', 'd-8', 'd-9'], { maxExact: 0, confirm })
      expect([await list.has('d-7'), await list.has('d-9')]).toEqual([true, false])
      await client.sRem('devices', 'd-7')
      expect(await list.has('d-7')).toBe(false)
    })

    /** Resolves when the replicas say that they are in this state. */
    const becoming = (state: 'current' | 'stale'): Promise<void> =>
      new Promise((resolve) => {
        const listen = (event: unknown): void => {
          if ((event as { state: string }).state !== state) return
          unsubscribe('spiffe:authz:replicas', listen)
          resolve()
        }
        subscribe('spiffe:authz:replicas', listen)
      })

    test.each<[string, (client: Client) => unknown, (client: Client) => unknown]>([
      ['hangs', () => server?.kill('SIGSTOP'), () => server?.kill('SIGCONT')],
      [
        'answers nonsense',
        async (client) => {
          await client.del('orders:epochs')
          await client.set('orders:epochs', 'nonsense')
        },
        (client) => client.del('orders:epochs'),
      ],
    ])(
      'while it %s for too long nothing that is remembered is used, and again afterwards',
      async (_, breakIt, mendIt) => {
        const replicas = { maxStaleMs: 200 } as ReplicasOptions
        const { client, ask, asked } = await redisReplica({ replicas })
        await ask()
        await ask()
        expect(asked.times).toBe(1)
        await breakIt(client)
        await askUntilAsked({ ask, asked })
        await ask()
        await ask()
        expect(asked.times).toBe(4)
        const current = becoming('current')
        await mendIt(client)
        await current
        const before = asked.times
        await ask()
        await ask()
        expect(asked.times - before).toBeLessThanOrEqual(1)
      },
    )

    test('a connection that is cut is made anew, and what was missed is read', async () => {
      const [one, two] = [await redisReplica(), await redisReplica()]
      await two.ask()
      await one.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
      one.app.authz.invalidate(ACME)
      await askUntilAsked(two)
      expect(two.asked.times).toBe(2)
    })
  },
)

test('a bus without a client is refused', () => {
  expect(() => redisBus({} as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})
