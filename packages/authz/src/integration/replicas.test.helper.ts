import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  authz,
  type AuthzOptions,
  type InvalidationBus,
  type InvalidationListener,
  type PolicyDocument,
  type ReplicasState,
} from '../index.ts'
import type { InvalidationMessage, PolicyStatement } from '@fastify-spiffe/policy/internal'
import { internal } from './policy-internals.test.helper.ts'

const { signMessage, verifyMessage } =
  await internal<typeof import('../../../policy/src/replicas/message.ts')>('replicas/message.js')

export const WEB = 'spiffe://example.org/acme/web'
export const GLOBEX = 'spiffe://example.org/globex/web'
export const SECRET = 'a secret of sixteen or more characters'
export const ACME = { trustDomain: 'example.org', name: 'acme' }

/** Short, because tests wait for heartbeats. */
export const HEARTBEAT_MS = 10

/** What a test has begun, to be ended after it. */
export const endings: (() => unknown)[] = []

export async function endAll(): Promise<void> {
  for (const end of endings.splice(0).toReversed()) await end()
}

export interface Replica {
  readonly app: FastifyInstance
  /** Calls the route as a workload, and expects that it is let in. */
  readonly ask: (caller?: string) => Promise<void>
  /** How often the engine was asked. */
  readonly asked: { times: number }
  /** The lines of the log so far, without those of requests. */
  readonly lines: () => readonly LogLine[]
}

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly code?: string
  readonly [field: string]: unknown
}

/** A replica that counts how often its engine is asked. */
export async function replica(
  bus: InvalidationBus,
  options: Partial<AuthzOptions> = {},
): Promise<Replica> {
  const asked = { times: 0 }
  const judge = {
    name: 'judge',
    cost: 'io',
    decide: async () => {
      asked.times++
      return true
    },
  } as const
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString()
      done()
    },
  })
  const app = Fastify({ logger: { level: 'info', stream } })
  endings.push(() => app.close())
  await app.register(peer)
  const replicas = {
    bus,
    secret: SECRET,
    heartbeatMs: HEARTBEAT_MS,
    maxStaleMs: 60_000,
    ...options.replicas,
  }
  await app.register(authz, {
    tenant: '/{tenant}/{workload}',
    engines: [judge],
    ...options,
    replicas,
  })
  app.get('/', { config: { spiffe: { anyAuthenticated: true, engines: ['judge'] } } }, () => 'in')
  // Its rule is that of the policy document.
  if (options.policy !== undefined) app.get('/guarded', () => 'in')
  await app.ready()
  const ask = async (caller = WEB): Promise<void> => {
    const { statusCode } = await injectAs(app, caller, '/')
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
  }
  const lines = (): LogLine[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): LogLine => JSON.parse(line))
      .filter(({ reqId }) => reqId === undefined)
  return { app, ask, asked, lines }
}

/** Waits for what has to come, in turns of the event loop. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

export async function turn(): Promise<void> {
  await new Promise(setImmediate)
}

/** A bus in memory, which can be broken. */
export class MemoryBus implements InvalidationBus {
  readonly name: string
  readonly listeners: Set<InvalidationListener> = new Set()
  /** Every message that was taken. */
  readonly sent: string[] = []
  /** How often a subscription was asked for. */
  subscriptions: number = 0
  isDown = false
  /** Takes messages, and delivers none. */
  isDeaf = false
  /** Delivers, and takes no messages: called for each. */
  refusal: Error | null = null

  constructor(name: string = 'memory') {
    this.name = name
  }

  async publish(message: string): Promise<void> {
    if (this.isDown) throw new Error('out of reach')
    if (this.refusal !== null) throw this.refusal
    this.sent.push(message)
    if (!this.isDeaf) this.deliver(message)
  }

  subscribe(listener: InvalidationListener): () => void {
    this.subscriptions++
    if (this.isDown) {
      listener.onError(new Error('out of reach'))
      return () => undefined
    }
    this.listeners.add(listener)
    listener.onSubscribed()
    return () => void this.listeners.delete(listener)
  }

  /** Brings a message to all, whoever wrote it. */
  deliver(message: string): void {
    for (const { onMessage } of this.listeners) onMessage(message)
  }

  /** All subscriptions were interrupted, and are in place again. */
  resume(): void {
    for (const { onSubscribed } of this.listeners) onSubscribed()
  }

  /** The scopes that were told of. */
  get scopes(): string[] {
    return this.messages.flatMap((message) =>
      message.kind === 'invalidation' ? [message.scope] : [],
    )
  }

  get messages(): InvalidationMessage[] {
    const key = { secret: SECRET, bus: this.name }
    return this.sent.flatMap((text) => verifyMessage(text, key) ?? [])
  }
}

/** Another replica, which says what the test says. */
export class ScriptedReplica {
  readonly #bus: MemoryBus
  readonly #sender = randomBytes(16).toString('base64url')
  count: number = 0
  #beat = 0

  constructor(bus: MemoryBus) {
    this.#bus = bus
  }

  invalidate(scope: string): string {
    return this.#send({ kind: 'invalidation', sender: this.#sender, count: ++this.count, scope })
  }

  sync(policy: Partial<PolicyStatement> = {}, sentAt: number = Date.now()): string {
    return this.#send({
      kind: 'sync',
      sender: this.#sender,
      count: this.count,
      beat: ++this.#beat,
      sentAt,
      policy: { epoch: 0, digest: 'none', version: 'none', ...policy },
    })
  }

  end(): string {
    return this.#send({ kind: 'end', sender: this.#sender, count: this.count })
  }

  #send(message: InvalidationMessage): string {
    const text = signMessage(message, { secret: SECRET, bus: this.#bus.name })
    this.#bus.deliver(text)
    return text
  }
}

/** What the channel carries until the test ends. */
export function replicasEvents(): ReplicasState[] {
  const events: ReplicasState[] = []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the channel is documented to carry
  const listen = (event: unknown): void => void events.push(event as ReplicasState)
  subscribe('spiffe:authz:replicas', listen)
  endings.push(() => unsubscribe('spiffe:authz:replicas', listen))
  return events
}

/** A document that lets everybody in, and differs from others by its version. */
export const policyOf = (version: string): PolicyDocument => ({
  version,
  prefixes: { '/': { anyAuthenticated: true } },
})

/** A policy file, and how another document is written there. */
export async function policyFile(document: PolicyDocument = policyOf('v1')): Promise<{
  file: string
  write: (document: PolicyDocument) => Promise<void>
}> {
  const folder = await mkdtemp(join(tmpdir(), 'authz-replicas-'))
  endings.push(() => rm(folder, { recursive: true }))
  const file = join(folder, 'policy.json')
  const write = (next: PolicyDocument): Promise<void> => writeFile(file, JSON.stringify(next))
  await write(document)
  return { file, write }
}
