import { authz, type RouteRule } from '@fastify-spiffe/authz'
import { chain, type CallChain } from '@fastify-spiffe/chain'
import { peer } from '@fastify-spiffe/peer'
import { matchAny } from '@fastify-spiffe/spiffe'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { Jwt } from './jwt.ts'
import Fastify, { type FastifyInstance, type FastifyRequest, type RawServerBase } from 'fastify'

/** Opens the part `http`: Fastify with the three plugins, over HTTP/2 and HTTP/1.1. */
export async function openHttpPart(source: X509MaterialSource, jwt: Jwt): Promise<number> {
  const tokens = await jwt.held(1000)
  // Optional, so that a caller without an identity gets its 401.
  const options = { http2: true, allowHTTP1: true, clientCertificate: 'optional' } as const
  const app = Fastify(spiffeServer(source, options))
  await app.register(svid, { source })
  await app.register(peer, { jwt: { audience: audience(), source: tokens } })
  await serve(app, source)
  return listenOn(app)
}

/** The audience of tokens. */
export function audience(): string {
  return process.env['HARNESS_AUDIENCE'] ?? 'harness'
}

/** Adds the rules and the routes, which are the same whatever the proof. */
export async function serve<Server extends RawServerBase>(
  app: FastifyInstance<Server>,
  source: X509MaterialSource,
): Promise<void> {
  const tenant = process.env['HARNESS_TENANT']
  await app.register(chain, { source })
  await app.register(authz, tenant === undefined ? {} : { tenant })

  const config: { spiffe: RouteRule } = { spiffe: callers() }
  app.get('/whoami', { config }, whoami)
  const certified: { spiffe: RouteRule } = { spiffe: { ...callers(), proof: 'x509-svid' } }
  app.get('/x509-only', { config: certified }, whoami)
  const root = process.env['HARNESS_ACTOR_ROOT']
  if (root !== undefined) app.get('/chain', { config: { spiffe: onBehalfOf(root) } }, whoami)
  const open: { spiffe: RouteRule } = {
    spiffe: { public: { reason: 'for everybody that the listener lets in' } },
  }
  app.get('/public', { config: open }, () => 'ok')
  app.get('/hang', { config }, (_request, reply) => void reply.hijack())
}

/** Listens on a free port, and returns it. */
export async function listenOn<Server extends RawServerBase>(
  app: FastifyInstance<Server>,
): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return address.port
}

/** The rule of all routes, by `HARNESS_ALLOW`. */
export function callers(): RouteRule {
  const allow = (process.env['HARNESS_ALLOW'] ?? '').split(' ').filter((id) => id !== '')
  return allow.length === 0 ? { anyAuthenticated: true } : { allow }
}

/** The same for calls on behalf of `HARNESS_ACTOR_ROOT`, through whatever workloads. */
function onBehalfOf(root: string): RouteRule {
  return { ...callers(), onBehalfOf: [root], via: [matchAny()] }
}

function whoami(request: Pick<FastifyRequest, 'spiffeId' | 'peer' | 'tenant' | 'chain'>): object {
  const { spiffeId, peer: caller, tenant } = request
  return {
    spiffeId,
    proof: caller?.proof ?? null,
    tenant: tenant?.name ?? null,
    chain: callersBefore(request.chain),
  }
}

/** Nearest first; empty where the caller acts for itself. */
function callersBefore(found: CallChain | null): readonly string[] {
  if (found === null || found.depth === 1) return []
  return [found.origin, ...found.via].map(String).toReversed()
}
