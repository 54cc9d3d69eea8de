import type { SecureServerOptions, Http2SecureServer } from 'node:http2'
import type { Server, ServerOptions } from 'node:https'
import { type X509MaterialSource } from '@fastify-spiffe/spiffe'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import { createSvidServer, type HttpOptions, type SvidServerOptions } from '@fastify-spiffe/tls'
import type { FastifyServerFactory } from 'fastify'
import { SvidPluginError } from '../errors.ts'
import { assertAwaited } from '../options.ts'
import { withTimeouts } from './fastify-timeouts.ts'
import { refuseUnenforcedRulesOn } from './unenforced-rules.ts'

/** Options of {@link spiffeServer}. */
export interface SpiffeServerOptions extends Omit<SvidServerOptions, 'http'> {
  /**
   * Options of Node's HTTP server, such as `maxHeaderSize` or `settings`, but not those that are
   * options of `Fastify()`: `keepAliveTimeout` and `requestTimeout`. Default: those of Node.
   */
  readonly http?: Omit<HttpOptions, FastifyOwned>
}

/** Options of `Fastify()` for a server that speaks HTTP/1.1 over TLS with an SVID. */
export interface SpiffeHttpsOptions {
  /** Marks the application as one of https for Fastify; `serverFactory` makes the server. */
  readonly https: ServerOptions
  /** Makes the server that presents the SVID, follows its rotations and verifies clients. */
  readonly serverFactory: FastifyServerFactory<Server>
}

/** Options of `Fastify()` for a server that speaks HTTP/2 over TLS with an SVID. */
export interface SpiffeHttp2Options {
  /** Marks the application as one of HTTP/2 for Fastify. */
  readonly http2: true
  /** Marks the application as one of https for Fastify; `serverFactory` makes the server. */
  readonly https: SecureServerOptions
  /** Makes the server that presents the SVID, follows its rotations and verifies clients. */
  readonly serverFactory: FastifyServerFactory<Http2SecureServer>
}

type Https = SpiffeServerOptions & { readonly http2?: false }
type Http2 = SpiffeServerOptions & { readonly http2: true }

const fastifyOwned = ['keepAliveTimeout', 'requestTimeout'] as const

type FastifyOwned = (typeof fastifyOwned)[number]

/**
 * Makes the options of `Fastify()` for a server that presents the SVID of `source` and follows its rotations:
 * `Fastify(spiffeServer(source))`, or `Fastify({ ...spiffeServer(source), logger: true })`.
 *
 * Fastify's own `connectionTimeout`, `keepAliveTimeout`, `requestTimeout`, `maxRequestsPerSocket`,
 * `http2SessionTimeout` and `forceCloseConnections` work as with any other server.
 *
 * `Fastify()` then throws `TlsError` (`no-svid`, `invalid-material`, `unknown-option`,
 * `forbidden-option`, `invalid-option`) from `@fastify-spiffe/tls`, or {@link SvidPluginError}
 * `invalid-option` when its options `https` or `http2` contradict those made here.
 *
 * @param source gives the SVID, and the bundles to verify clients with; it has to hold an SVID already
 * @throws {@link SvidPluginError} `invalid-option` for a source that is a promise, or an option of `http` that is
 *   one of `Fastify()`
 */
export function spiffeServer(source: X509MaterialSource, options: Http2): SpiffeHttp2Options
export function spiffeServer(source: X509MaterialSource, options?: Https): SpiffeHttpsOptions
export function spiffeServer(
  source: X509MaterialSource,
  options: Https | Http2 = {},
): SpiffeHttpsOptions | SpiffeHttp2Options {
  assertAwaited(source)
  assertNotFastifyOwned(options.http ?? {})
  // Makes Fastify use https. It may be copied on the way, such as by `fastify start`.
  const https = Object.freeze({})
  if (options.http2 === true) {
    const serverFactory: FastifyServerFactory<Http2SecureServer> = (handler, completed) => {
      assertUnchanged(completed, true)
      return completedServer(createSvidServer(source, options, handler), completed)
    }
    return { http2: true, https, serverFactory }
  }
  const serverFactory: FastifyServerFactory<Server> = (handler, completed) => {
    assertUnchanged(completed, false)
    return completedServer(createSvidServer(source, options, handler), completed)
  }
  return { https, serverFactory }
}

function assertNotFastifyOwned(http: unknown): void {
  if (typeof http !== 'object' || http === null) {
    const found = describeValue(http)
    throw new SvidPluginError('invalid-option', `http must be an object, not ${found}`)
  }
  const name = fastifyOwned.find((candidate) => candidate in http)
  if (name === undefined) return
  throw new SvidPluginError('invalid-option', `http.${name} is an option of Fastify: set it there`)
}

function completedServer<AnyServer extends Server | Http2SecureServer>(
  server: AnyServer,
  completed: Record<string, unknown>,
): AnyServer {
  refuseUnenforcedRulesOn(server)
  return withTimeouts(server, completed)
}

function assertUnchanged(given: Record<string, unknown>, http2: boolean): void {
  const { https } = given
  if (typeof https !== 'object' || https === null || Reflect.ownKeys(https).length > 0) {
    throw new SvidPluginError(
      'invalid-option',
      'spiffeServer makes the https options: remove the option https of Fastify()',
    )
  }
  if ((given['http2'] ?? false) !== http2) {
    throw new SvidPluginError(
      'invalid-option',
      'http2 is an option of spiffeServer: set it there, not on Fastify()',
    )
  }
}
