import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import type { AuthzOptions, ReplicasState } from '../index.ts'
import { DeviceList } from '@fastify-spiffe/policy/devices'
import { redisBus, type RedisClient, redisDevices } from '@fastify-spiffe/policy/redis'
import { bareReplica, passingUntil } from './bare-replica.test.helper.ts'
import {
  ACME,
  endAll,
  endings,
  replica,
  type Replica,
  replicasEvents,
  turn,
  until,
} from './replicas.test.helper.ts'

afterEach(endAll)

const CHANNEL = 'orders:invalidations'
const hasRedis = spawnSync('redis-server', ['--version']).error === undefined
const describeRedis = hasRedis ? describe : describe.skip
const leftOut = hasRedis ? '' : ' (left out: there is no redis-server on this machine)'

/** A server on a port of loopback, empty. */
class RedisServer {
  readonly #args: readonly string[]
  port = 0
  #folder = ''
  #process: ChildProcess | undefined

  constructor(...args: string[]) {
    this.#args = args
  }

  /** Starts the server, on its port if it had one before. */
  async start(): Promise<void> {
    if (this.port !== 0) {
      if (!(await this.#listens(this.port))) throw new Error(`port ${this.port} is taken`)
      return
    }
    this.#folder = await mkdtemp(join(tmpdir(), 'authz-redis-'))
    // Below the ephemeral ports, as is the port 10,000 above it of a cluster: no outgoing connection takes it.
    do this.port = randomInt(12_000, 22_000)
    while (!(await this.#listens(this.port)))
  }

  /** Whether the server has come up on a port; otherwise that is taken. */
  async #listens(port: number): Promise<boolean> {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', this.#folder]
    const bare = ['--save', '', '--appendonly', 'no', ...this.#args]
    const started = spawn('redis-server', [...args, ...bare], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process = started
    return new Promise((resolve) => {
      let output = ''
      started.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        if (/ready to accept connections/i.test(output)) resolve(true)
      })
      started.once('exit', () => resolve(false))
    })
  }

  async stop(): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    this.#process = undefined
    const exited = once(running, 'exit')
    running.kill('SIGKILL')
    await exited
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#folder, { recursive: true })
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal)
  }
}

/** Clients of both packages, which the application makes and ends. */
const CLIENTS: Readonly<Record<string, (port: number) => Promise<RedisClient>>> = {
  redis: async (port) => {
    const client = createClient({
      socket: { host: '127.0.0.1', port, reconnectStrategy: 20 },
    })
    endings.push(() => client.destroy())
    await client.connect()
    return client
  },
  ioredis: async (port) => {
    const client = new Redis({
      host: '127.0.0.1',
      port,
      retryStrategy: () => 20,
      keyPrefix: 'app:',
    })
    endings.push(() => client.disconnect())
    await once(client, 'ready')
    return client
  },
}

async function redisReplica(
  client: RedisClient,
  options: Partial<AuthzOptions> = {},
): Promise<Replica> {
  return replica(redisBus({ client, prefix: 'orders' }), options)
}

/** Asks until the engine has been asked for a second time. What comes over sockets needs turns of the event loop. */
async function askUntilAsked({ ask, asked }: Replica): Promise<void> {
  const { times } = asked
  while (asked.times === times) {
    await turn()
    await ask()
  }
}

const stateOf = ({ app }: Replica): ReplicasState => app.authz.replicas()!
const isCurrent = (one: Replica): boolean => stateOf(one).state === 'current'

/** The server of all tests but those of a cluster, and the connection by which they talk to it. */
const redisServer = new RedisServer()
let control: ReturnType<typeof createClient>

beforeAll(async () => {
  if (!hasRedis) return
  await redisServer.start()
  const { port } = redisServer
  control = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: 20 } })
  control.on('error', () => undefined)
  await control.connect()
}, 30_000)

afterAll(async () => {
  if (!hasRedis) return
  control.destroy()
  await redisServer.remove()
})

/** Says something to the server. */
const command = async (...args: [string, ...string[]]): Promise<unknown> =>
  control.sendCommand(args)

/** The server counts a connection until it has heard of its end. */
const countListening = async (): Promise<number> => {
  const [, count] = (await command('PUBSUB', 'NUMSUB', CHANNEL)) as [string, number]
  return count
}
const untilListening = async (connections: number): Promise<void> => {
  while ((await countListening()) !== connections) await turn()
}

describe.each(Object.entries(CLIENTS))('a bus on a client of the package %s', (name, open) => {
  const two = async (options: Partial<AuthzOptions> = {}): Promise<[Replica, Replica]> => [
    await redisReplica(await open(redisServer.port), options),
    await redisReplica(await open(redisServer.port), options),
  ]

  describeRedis(`with a server${leftOut}`, () => {
    test('carries an invalidation to the others, and stores nothing', async () => {
      const [one, other] = await two()
      await other.ask()
      one.app.authz.invalidate(ACME)
      await askUntilAsked(other)
      expect(await command('DBSIZE')).toBe(0)
      expect(stateOf(other)).toMatchObject({ state: 'current', unverified: 0 })
    })

    test('ends its own connection when the application closes, and not that of the application', async () => {
      const client = await open(redisServer.port)
      const one = await redisReplica(client)
      await untilListening(1)
      await one.app.close()
      await untilListening(0)
      expect(await client.publish('another', 'message')).toBe(0)
    })

    test('serves two applications on one client', async () => {
      const bus = redisBus({ client: await open(redisServer.port), prefix: 'orders' })
      const [one, other] = [await replica(bus), await replica(bus)]
      await one.app.close()
      await other.ask()
      expect(isCurrent(other)).toBe(true)
      await until(() => stateOf(other).problem === null)
    })

    test('believes nothing of a bus with another prefix, though its messages are sent here', async () => {
      const client = await open(redisServer.port)
      const one = await redisReplica(client)
      const heard: string[] = []
      const bills = redisBus({ client, prefix: 'bills' })
      const end = bills.subscribe({
        onMessage: (message) => void heard.push(message),
        onSubscribed: () => undefined,
        onError: () => undefined,
      })
      endings.push(end)
      const other = await replica(bills)
      await one.ask()
      other.app.authz.invalidate()
      await until(() => heard.some((message) => message.includes('"invalidation"')))
      const foreign = [...heard]
      for (const message of foreign) await client.publish(CHANNEL, message)
      await until(() => stateOf(one).unverified === foreign.length)
      await one.ask()
      expect(one.asked.times).toBe(1)
    })

    test('whose subscriptions are killed over and over hides no invalidation', async () => {
      const [one, other] = await two()
      await other.ask()
      const killer = { isDone: false }
      const killing = (async () => {
        while (!killer.isDone) await command('CLIENT', 'KILL', 'TYPE', 'pubsub')
      })()
      one.app.authz.invalidate(ACME)
      await turn()
      killer.isDone = true
      await killing
      await askUntilAsked(other)
      await until(() => isCurrent(other))
    }, 30_000)

    test('whose every connection is killed publishes what is pending when it is back', async () => {
      const [one, other] = await two()
      await other.ask()
      await command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      one.app.authz.invalidate(ACME)
      await askUntilAsked(other)
      await until(() => stateOf(one).pending === 0)
    }, 30_000)

    test('loses no invalidation with a server that is killed and started again', async () => {
      const [one, other] = await two()
      await other.ask()
      await redisServer.stop()
      one.app.authz.invalidate(ACME)
      await other.ask()
      expect(other.asked.times).toBe(1)
      await redisServer.start()
      await askUntilAsked(other)
      await until(() => isCurrent(one) && stateOf(one).pending === 0)
    }, 30_000)

    test('does not mind that its server has lost or changed everything that it stores', async () => {
      const [one, other] = await two()
      await other.ask()
      await command('FLUSHALL')
      await command('SET', 'orders:epochs', 'x')
      await command('SET', 'orders:invalidations', 'x')
      await command('SCRIPT', 'FLUSH')
      one.app.authz.invalidate(ACME)
      await askUntilAsked(other)
      expect(stateOf(one)).toMatchObject({ state: 'current', pending: 0 })
      await command('FLUSHALL')
    })

    test('tells the others of an invalidation while the server has no memory left', async () => {
      const [one, other] = await two()
      await other.ask()
      await command('CONFIG', 'SET', 'maxmemory', '1')
      endings.push(() => command('CONFIG', 'SET', 'maxmemory', '0'))
      one.app.authz.invalidate(ACME)
      await askUntilAsked(other)
    })

    test.each<[string, readonly [string, ...string[]], readonly [string, ...string[]], RegExp]>([
      [
        'has lost its replicas',
        ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
        ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
        /NOREPLICAS/,
      ],
      [
        'is a replica of another one',
        ['REPLICAOF', '127.0.0.1', '1'],
        ['REPLICAOF', 'NO', 'ONE'],
        /READONLY/,
      ],
      [
        'permits no messages',
        ['ACL', 'SETUSER', 'default', '-publish'],
        ['ACL', 'SETUSER', 'default', '+publish'],
        /NOPERM/,
      ],
    ])(
      'is out of touch while its server %s: what is pending shows, and is published afterwards',
      async (_, breakIt, mendIt, cause) => {
        const time = { now: Date.now() }
        const events = replicasEvents()
        const [one, other] = await two({ clock: () => time.now })
        await other.ask()
        await command(...breakIt)
        endings.push(() => command(...mendIt))
        one.app.authz.invalidate(ACME)
        time.now += 61_000
        await until(() => !isCurrent(one) && !isCurrent(other))
        // A heartbeat that was under way may still succeed, and hide the problem until the next one.
        await until(() => stateOf(one).pending === 1 && stateOf(one).problem === 'bus-failed')
        await until(() => events.some(({ pending }) => pending === 1))
        await until(() => one.lines().some(({ state }) => state === 'stale'))
        const { times } = other.asked
        await other.ask()
        await other.ask()
        expect(other.asked.times).toBe(times + 2)
        await command(...mendIt)
        await until(() => isCurrent(one) && isCurrent(other) && stateOf(one).pending === 0)
        const warnings = one.lines().filter(({ level }) => level === 40)
        expect(warnings.map(({ cause: text }) => text)).toContainEqual(expect.stringMatching(cause))
        await until(() => one.lines().filter(({ level }) => level === 30).length >= 2)
      },
      30_000,
    )

    test('is out of touch while the server hangs, and in touch afterwards', async () => {
      const time = { now: Date.now() }
      const bus = redisBus({ client: await open(redisServer.port), prefix: 'orders' })
      const { replicas, deadlines, lines } = bareReplica(bus, () => time.now)
      await until(() => replicas.state.state === 'current')
      redisServer.signal('SIGSTOP')
      endings.push(() => redisServer.signal('SIGCONT'))
      time.now += 61_000
      // What the server said before it hung may still come, and is of before.
      expect(replicas.state.state).toBe('stale')
      await passingUntil(deadlines, () =>
        lines.some(({ code }) => code === 'bus-timeout' || code === 'bus-deaf'),
      )
      expect(replicas.state.state).toBe('stale')
      redisServer.signal('SIGCONT')
      await until(() => replicas.state.state === 'current')
    }, 30_000)

    test('ends no process by an error that the client of the application emits', async () => {
      const client = await open(redisServer.port)
      redisBus({ client })
      expect(() =>
        Reflect.apply(Reflect.get(client, 'emit'), client, ['error', new Error('no')]),
      ).not.toThrow()
    })

    test('is deaf where the connection to listen with goes nowhere, and listens anew', async () => {
      const relay = await Tap.open(redisServer.port)
      const bus = redisBus({ client: await open(relay.port), prefix: 'orders' })
      const calls = { underWay: 0 }
      const { replicas, deadlines } = bareReplica({
        name: bus.name,
        subscribe: (listener) => bus.subscribe(listener),
        publish: async (message) => {
          calls.underWay++
          await bus.publish(message)
          calls.underWay--
        },
      })
      await until(() => replicas.state.state === 'current')
      // The first connection publishes, the second one listens.
      relay.mute(1)
      await until(() => relay.swallowed > 0 && calls.underWay === 0)
      expect([deadlines.delays, replicas.state.problem]).toEqual([[2000], null])
      deadlines.pass()
      await until(() => replicas.state.problem === 'bus-deaf')
      await until(() => replicas.state.problem === null)
      expect(relay.connections).toBeGreaterThan(2)
      await untilListening(1)
    }, 30_000)

    test('confirms the devices of a long list by a set', async () => {
      const client = await open(redisServer.port)
      await command('SADD', 'app:devices', 'd-7', 'd-8')
      await command('SADD', 'devices', 'd-7', 'd-8')
      endings.push(() => command('DEL', 'app:devices', 'devices'))
      const list = new DeviceList(['d-7', 'd-9'], {
        maxExact: 0,
        confirm: redisDevices(client, 'devices'),
      })
      expect([await list.has('d-7'), await list.has('d-9')]).toEqual([true, false])
    })
  })

  test('is refused while the client is still a promise', async () => {
    if (!hasRedis) return
    const client = open(redisServer.port)
    expect(() => redisBus({ client: client as never })).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        message: expect.stringMatching(/awaited/),
      }),
    )
    await client
    expect(name).toMatch(/redis/)
  })
})

describeRedis(`a bus on a cluster${leftOut}`, () => {
  const cluster = new RedisServer('--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1')
  beforeAll(async () => {
    await cluster.start()
    const client = createClient({ socket: { host: '127.0.0.1', port: cluster.port } })
    await client.connect()
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
    while (!/cluster_state:ok/.test(await client.sendCommand<string>(['CLUSTER', 'INFO']))) {
      await turn()
    }
    client.destroy()
  }, 30_000)
  afterAll(() => cluster.remove())

  test.each<[string, () => Promise<RedisClient>]>([
    [
      'redis',
      async () => {
        const client = createCluster({
          rootNodes: [{ socket: { host: '127.0.0.1', port: cluster.port } }],
        })
        endings.push(() => client.destroy())
        await client.connect()
        return client
      },
    ],
    [
      'ioredis',
      async () => {
        const client = new Cluster([{ host: '127.0.0.1', port: cluster.port }])
        endings.push(() => client.disconnect())
        await once(client, 'ready')
        return client
      },
    ],
  ])('of the package %s carries an invalidation to the others', async (_, open) => {
    const [one, other] = [await redisReplica(await open()), await redisReplica(await open())]
    await other.ask()
    expect(isCurrent(other)).toBe(true)
    one.app.authz.invalidate(ACME)
    await askUntilAsked(other)
    expect(stateOf(one)).toMatchObject({ state: 'current', pending: 0, problem: null })
  })
})

describe('a bus', () => {
  const COMMON = functions('duplicate', 'connect', 'publish', 'subscribe', 'del', 'on')

  test.each<[string, unknown]>([
    ['no client', undefined],
    ['null', null],
    ['a URL', 'redis://:password@127.0.0.1'],
    ['an empty object', {}],
    [
      'a client of redis 3',
      { ...functions('duplicate', 'publish', 'subscribe', 'del', 'on'), connected: true },
    ],
    [
      'a client of redis 4 with callbacks',
      { ...COMMON, ...functions('sIsMember'), isOpen: true, options: { legacyMode: true } },
    ],
    [
      'a pool, which cannot subscribe',
      { ...COMMON, ...functions('sIsMember'), isOpen: true, subscribe: undefined },
    ],
    ['half of an ioredis', { ...COMMON, status: 'ready' }],
  ])('is not made of %s', (_, client) => {
    expect(() => redisBus({ client: client as never })).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        message: expect.stringMatching(/^(?!.*password).*ioredis/),
      }),
    )
  })

  test.each<[string, object, string]>([
    ['an empty prefix', { prefix: '' }, 'invalid-option'],
    ['an unknown option', { ttl: 1 }, 'unknown-option'],
  ])('is not made with %s', (_, options, code) => {
    const client = { ...COMMON, ...functions('sIsMember'), isOpen: true }
    expect(() => redisBus({ client: client as never, ...options })).toThrow(
      expect.objectContaining({ code }),
    )
  })
})

/** As much of a client as its functions. */
function functions(...names: string[]): Record<string, () => undefined> {
  return Object.fromEntries(names.map((name) => [name, () => undefined]))
}

/** Stands before a server, and can swallow what the server says on one connection. */
class Tap {
  readonly #sockets: { client: Socket; isMute: boolean }[] = []
  readonly #server: Server
  /** How many bytes of the server never came. */
  swallowed = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(to: number): Promise<Tap> {
    const server = createServer()
    const tap = new Tap(server)
    server.on('connection', (client) => tap.#join(client, connect(to, '127.0.0.1')))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    endings.push(() => tap.#close())
    return tap
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#sockets.length
  }

  mute(index: number): void {
    this.#sockets[index]!.isMute = true
  }

  #join(client: Socket, server: Socket): void {
    const connection = { client, isMute: false }
    this.#sockets.push(connection)
    server.on('data', (chunk) => {
      if (connection.isMute) this.swallowed += chunk.length
      else client.write(chunk)
    })
    client.pipe(server)
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => undefined)
      socket.on('close', () => other.destroy())
    }
  }

  #close(): void {
    this.#server.close()
    for (const { client } of this.#sockets) client.destroy()
  }
}
