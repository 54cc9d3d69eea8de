import { EventEmitter } from 'node:events'
import type { MatcherInput } from '@fastify-spiffe/spiffe'
import type { WebPki } from '@fastify-spiffe/tls'
import { assertConnectorOptions, readServer } from '@fastify-spiffe/tls/internal'
import type { Dispatcher } from 'undici'
import { bindFetch, type BoundFetch } from './bound-fetch.ts'
import { audienceOf } from './chain-headers.ts'
import { readOptions, type DispatcherOptions, type Settings } from './options.ts'
import { OriginPools, PoolFamily } from './origin-pools.ts'
import type { Undici } from './undici.ts'

/** A dispatcher of undici for servers that prove their identity. {@link createDispatcher} makes one. */
export interface SvidDispatcher extends Dispatcher {
  /**
   * `fetch` by this dispatcher, with the same arguments and results as the built-in one. Needs no `this`. Rejects with a
   * `TypeError` whose `cause` is the reason; `codedErrorOf` finds it.
   */
  readonly fetch: BoundFetch

  /**
   * Returns the dispatcher that differs in the option `server` only. The last 100 are remembered by their argument: the
   * same string or the same matcher gives the same one, with its connections. They are closed with the one that they come
   * from.
   * @throws `TlsError` `invalid-option`; {@link FetchError} `invalid-option` with `chainHeaders`, unless it is one SPIFFE ID
   */
  to(server: MatcherInput | WebPki): SvidDispatcher
}

/** Others are forgotten, and work on for whoever holds them. */
const MAX_REMEMBERED = 100

/**
 * Makes a dispatcher for undici, and for the built-in `fetch`, that presents the current SVID of `source` and sends a
 * request only to a server that has proven a SPIFFE ID which `server` matches. Sessions are never resumed.
 *
 * A request gets a connection that was made with the current SVID, to a server whose proof is valid. After a renewal,
 * requests that run finish on the old connections, for `rotationGraceMs` at most. Redirects are followed by the same
 * rules, and never to a URL that is not `https:`. Nothing is retried but what undici itself does.
 *
 * @throws {@link FetchError} `unknown-option` or `invalid-option`; `TlsError` `invalid-option`
 */
export function createDispatcher(options: DispatcherOptions): SvidDispatcher {
  const settings = readOptions(options)
  return new Relatives(settings).make(options.server)
}

/** The dispatchers that were derived from one. */
class Relatives {
  readonly #settings: Settings
  readonly #family = new PoolFamily()
  readonly #byServer = new Map<MatcherInput | WebPki, SvidDispatcher>()
  #root: SvidDispatcher | undefined

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get(server: MatcherInput | WebPki): SvidDispatcher {
    const dispatcher = this.#byServer.get(server) ?? this.make(server)
    this.#byServer.delete(server)
    this.#byServer.set(server, dispatcher)
    const [oldest] = this.#byServer.keys()
    if (this.#byServer.size > MAX_REMEMBERED && oldest !== undefined) this.#byServer.delete(oldest)
    return dispatcher
  }

  make(server: MatcherInput | WebPki): SvidDispatcher {
    const connector = { ...this.#settings.connector, server: readServer(server) }
    assertConnectorOptions(connector)
    const { undici, chainHeaders } = this.#settings
    const audience = chainHeaders && audienceOf(connector.server)
    const settings = { ...this.#settings, connector, audience }
    const DispatcherClass = classFor(undici)
    const dispatcher = new DispatcherClass(settings, this.#family, this)
    this.#root ??= dispatcher
    return dispatcher
  }

  /** Forgets a dispatcher that is being closed. Returns the pools that are closed with it. */
  leave(dispatcher: SvidDispatcher, own: OriginPools): readonly OriginPools[] {
    for (const [server, each] of this.#byServer) {
      if (each === dispatcher) this.#byServer.delete(server)
    }
    if (dispatcher !== this.#root) return [own]
    this.#family.isClosed = true
    this.#byServer.clear()
    return [own, ...this.#family.active]
  }
}

type DispatcherClass = new (
  settings: Settings,
  family: PoolFamily,
  relatives: Relatives,
) => SvidDispatcher

const classes = new WeakMap<object, DispatcherClass>()

/** The base has to come from the same module: its methods and the pools have to be of one version. */
function classFor(undici: Undici): DispatcherClass {
  const known = classes.get(undici.Dispatcher)
  if (known !== undefined) return known
  const made = defineClass(undici)
  classes.set(undici.Dispatcher, made)
  return made
}

function defineClass(undici: Undici): DispatcherClass {
  return class SvidDispatcherOfModule extends undici.Dispatcher implements SvidDispatcher {
    readonly #pools: OriginPools
    readonly #relatives: Relatives
    readonly fetch: BoundFetch = bindFetch(undici, this)

    constructor(settings: Settings, family: PoolFamily, relatives: Relatives) {
      super()
      this.#relatives = relatives
      this.#pools = new OriginPools(settings, family, (event, args) => {
        EventEmitter.prototype.emit.call(this, event, ...args)
      })
    }

    override dispatch(
      options: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean {
      return this.#pools.dispatch(options, handler)
    }

    to(server: MatcherInput | WebPki): SvidDispatcher {
      return this.#relatives.get(server)
    }

    override close(callback: () => void): void
    override close(): Promise<void>
    override close(callback?: () => void): Promise<void> | void {
      const all = this.#relatives.leave(this, this.#pools)
      return answer(Promise.all(all.map((pools) => pools.close())), callback)
    }

    override destroy(reason: Error | null, callback: () => void): void
    override destroy(callback: () => void): void
    override destroy(reason?: Error | null): Promise<void>
    override destroy(
      first?: Error | null | (() => void),
      second?: () => void,
    ): Promise<void> | void {
      const [reason, callback] = typeof first === 'function' ? [null, first] : [first, second]
      const all = this.#relatives.leave(this, this.#pools)
      return answer(Promise.all(all.map((pools) => pools.destroy(reason ?? null))), callback)
    }
  }
}

function answer(done: Promise<unknown>, onDone: (() => void) | undefined): Promise<void> | void {
  const settled = done.then(() => undefined)
  if (onDone === undefined) return settled
  void settled.then(onDone)
}
