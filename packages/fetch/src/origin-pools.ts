import type { EventEmitter } from 'node:events'
import { DeadlineTimer } from '@fastify-spiffe/tls/internal'
import type { Dispatcher } from 'undici'
import { withHeaders } from './chain-headers.ts'
import { notHttps } from './connector.ts'
import { FetchError } from './errors.ts'
import { failRequest } from './fail-request.ts'
import type { Settings } from './options.ts'
import { OriginPool, type Material, type Staleness } from './origin-pool.ts'

/** The events of a pool that those who wait for their turn listen for. */
const EVENTS = ['connect', 'disconnect', 'connectionError', 'drain'] as const

/** Beyond this number, the pools without connections give way. */
const MAX_ORIGINS = 1000

/** Hears of the events of all pools. */
export type Emit = (event: (typeof EVENTS)[number], args: readonly unknown[]) => void

/** The pools of all dispatchers that were derived from one. */
export class PoolFamily {
  /** Those that have connections. */
  readonly active: Set<OriginPools> = new Set()
  isClosed = false
}

/**
 * The pools of a dispatcher: for each origin one that takes requests, and those that were replaced and whose requests
 * have not ended. Each request is checked against the source; the subscription and the timer, which exist while there are
 * connections, only make the old ones end in time.
 */
export class OriginPools {
  readonly #settings: Settings
  readonly #emit: Emit
  readonly #family: PoolFamily
  readonly #current = new Map<string, OriginPool>()
  readonly #retired = new Set<OriginPool>()
  readonly #timer: DeadlineTimer
  #unsubscribe: (() => void) | undefined
  #isClosed = false

  constructor(settings: Settings, family: PoolFamily, emit: Emit) {
    this.#settings = settings
    this.#family = family
    this.#emit = emit
    this.#timer = new DeadlineTimer(settings.clock, settings.setTimer, () => this.#retireStale())
  }

  /** @throws {@link FetchError} `closed`, `not-https` or `invalid-option` */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#isClosed || this.#family.isClosed) throw closed()
    const given = this.#withChain(options)
    const authorization = this.#authorizationFor(String(options.origin))
    if (authorization === undefined) return this.#send(given, handler)
    void this.#sendWith(authorization, given, handler)
    return true
  }

  /** `undefined`: a request to this origin carries no token. */
  #authorizationFor(origin: string): Promise<string> | undefined {
    const { tokens } = this.#settings
    if (tokens === null) return undefined
    const audience = tokens.audienceFor(origin)
    return audience === undefined ? undefined : tokens.authorizationFor(audience)
  }

  async #sendWith(
    pending: Promise<string>,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): Promise<void> {
    try {
      const authorization = await pending
      if (this.#isClosed || this.#family.isClosed) throw closed()
      const headers = withHeaders(options.headers, { authorization }, 'jwt')
      this.#send({ ...options, headers }, handler)
    } catch (error) {
      failRequest(handler, error)
    }
  }

  #send(given: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const key = String(given.origin)
    const { pool, isIdle } = this.#poolFor(key)
    const accepted = pool.dispatch(given, handler)
    // Undici has refused the request: nothing would end this pool.
    if (isIdle && pool.stats.size === 0) this.#retire(key)
    return accepted
  }

  /** Takes no new requests. Resolves when those have ended that run or wait. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const key of this.#current.keys()) this.#retire(key)
    await Promise.all([...this.#retired].map((pool) => pool.close()))
  }

  /** Ends all requests with an error. */
  async destroy(reason: Error | null): Promise<void> {
    this.#isClosed = true
    const pools = [...this.#current.values(), ...this.#retired]
    await Promise.all(pools.map((pool) => pool.end(reason ?? closed())))
  }

  #withChain(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
    const { chainHeaders, audience } = this.#settings
    if (chainHeaders === undefined || audience === undefined) return options
    return { ...options, headers: withHeaders(options.headers, chainHeaders(audience)) }
  }

  #poolFor(key: string): OriginPool {
    const material = this.#material()
    const known = this.#current.get(key)
    const reason = known?.staleness(material, this.#settings.clock())
    if (known !== undefined && reason === undefined) return known
    if (reason !== undefined) this.#retire(key, reason)
    if (this.#current.size >= MAX_ORIGINS) this.#retireIdle()
    const pool = new OriginPool(this.#settings, checkedOrigin(key), material, (changed) =>
      this.#onChange(key, changed),
    )
    const { pool: emitter }: { readonly pool: EventEmitter } = pool
    for (const event of EVENTS) {
      emitter.on(event, (...args: unknown[]) => this.#emit(event, args))
    }
    this.#current.set(key, pool)
    this.#activate()
    return pool
  }

  #retireIdle(): void {
    for (const [key, { isIdle }] of this.#current) if (isIdle) this.#retire(key)
  }

  #material(): Material {
    const { source, presentsSvid } = this.#settings
    return {
      svid: presentsSvid ? read(() => source.svid, null) : null,
      bundles: read(() => source.bundles, undefined),
    }
  }

  #retire(key: string, reason?: Staleness): void {
    const pool = this.#current.get(key)
    if (pool === undefined) return
    this.#current.delete(key)
    this.#retired.add(pool)
    void pool.close()
    if (reason === undefined) return
    const { graceMs, rotationGraceMs, clock } = this.#settings
    pool.endWithin(reason === 'svid-renewed' ? rotationGraceMs : graceMs, clock())
  }

  #onChange(key: string, pool: OriginPool): void {
    if (pool.isIdle && this.#current.get(key) === pool) this.#retire(key)
    this.#timer.scheduleBy(pool.trustedUntil)
    if (pool.isOver) this.#retired.delete(pool)
    this.#deactivateIfEmpty()
  }

  #retireStale(): void {
    const { clock, graceMs } = this.#settings
    const now = clock()
    const material = this.#material()
    for (const [key, pool] of this.#current) {
      const reason = pool.staleness(material, now)
      if (reason !== undefined) this.#retire(key, reason)
    }
    const isWithdrawn = this.#settings.presentsSvid && material.svid === null
    for (const pool of this.#retired) {
      if (isWithdrawn || pool.hasLapsed(now)) pool.endWithin(graceMs, now)
    }
    const all = [...this.#current.values(), ...this.#retired]
    const ends = all.map(({ trustedUntil }) => trustedUntil)
    this.#timer.scheduleBy(Math.min(...ends, Infinity))
  }

  #activate(): void {
    if (this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#settings.source.onUpdate(() => this.#retireStale())
    this.#family.active.add(this)
  }

  #deactivateIfEmpty(): void {
    if (this.#current.size > 0 || this.#retired.size > 0) return
    this.#timer.cancel()
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#family.active.delete(this)
  }
}

/** @throws {@link FetchError} `not-https` or `invalid-option` */
function checkedOrigin(origin: string): URL {
  if (!URL.canParse(origin))
    throw new FetchError('invalid-option', 'origin must be an absolute URL')
  const url = new URL(origin)
  // Here, so that it is not even tried; and in the connector, which is the last to know.
  if (url.protocol !== 'https:') throw notHttps()
  return url
}

function closed(): FetchError {
  return new FetchError('closed', 'the dispatcher was closed')
}

function read<T>(get: () => T, otherwise: T): T {
  try {
    return get()
  } catch {
    return otherwise
  }
}
