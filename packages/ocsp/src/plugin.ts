import { Server as TlsServer } from 'node:tls'
import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { identityOf, otherCopyOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import type { Pem } from './certificate/own-certificate.ts'
import { OcspError } from './errors.ts'
import { optionNames, reader, type OcspOptions } from './options.ts'
import { OcspStapler } from './staple/stapler.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The OCSP staples of the server of this application. */
    readonly ocsp: OcspStapler
  }
}

async function plugin(fastify: FastifyInstance, options: OcspOptions): Promise<void> {
  reader.assertKnown('ocsp', options, [...optionNames, ...FASTIFY_OPTION_NAMES])
  const server = webServerOf(fastify)
  const entries = optionNames.map((name) => [name, options[name]] as const)
  const own = Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  const certificate = options.certificate ?? certificateOf(server)
  const stapler = await OcspStapler.open({ ...own, certificate }, fastify.log)
  try {
    stapler.attach(server)
    fastify.decorate('ocsp', stapler)
  } catch (error) {
    await stapler.close()
    throw error
  }
  fastify.addHook('onListen', async () => attachToOthers(fastify, stapler))
  fastify.addHook('onClose', async () => stapler.close())
}

function webServerOf(fastify: FastifyInstance): TlsServer {
  const server: unknown = fastify.server
  if (!(server instanceof TlsServer)) {
    const message =
      'the server speaks plain HTTP: make the application with Fastify({ https: { cert, key } }); ' +
      'behind a proxy that ends TLS, it is for the proxy to staple'
    throw new OcspError('plain-http', message)
  }
  if (identityOf(server) === undefined && otherCopyOf(server) === null) return server
  const message =
    'the server presents an SVID, which lives for about an hour and has no OCSP responder: ' +
    'register the plugin on an application with a certificate of the Web PKI'
  throw new OcspError('svid-server', message)
}

/** Node keeps what it was made with, or what `setSecureContext` was given last. */
function certificateOf(server: TlsServer): Pem | readonly Pem[] {
  const certificate: unknown = Reflect.get(server, 'cert')
  const list: readonly unknown[] = Array.isArray(certificate) ? certificate : [certificate]
  if (list.length > 0 && list.every(isPem)) return list
  const message =
    'the certificate of the server is not known: it was not given as https.cert in PEM; set certificate'
  throw new OcspError('no-certificate', message)
}

function isPem(value: unknown): value is Pem {
  return typeof value === 'string' || value instanceof Uint8Array
}

/** Fastify makes one more server for each further address of `localhost`. */
function attachToOthers(fastify: FastifyInstance, stapler: OcspStapler): void {
  for (const server of boundServers(fastify)) {
    if (server instanceof TlsServer && server.listenerCount('OCSPRequest') === 0) {
      stapler.attach(server)
    }
  }
}

function boundServers(fastify: FastifyInstance): readonly unknown[] {
  let instance: object | null = fastify
  for (; instance !== null; instance = Object.getPrototypeOf(instance)) {
    const key = Object.getOwnPropertySymbols(instance).find(
      ({ description }) => description === 'fastify.serverBindings',
    )
    const servers: unknown = key === undefined ? undefined : Reflect.get(instance, key)
    if (Array.isArray(servers)) return servers
  }
  return []
}

/**
 * Staples a fresh OCSP answer for the certificate of the Web PKI that the server of this application presents. The answer is
 * fetched before the first handshake and renewed at half of its lifetime; each is verified in full before it is used.
 * Decorates the application with `fastify.ocsp`.
 *
 * @throws {@link OcspError} `unknown-option`, `invalid-option`, `plain-http`, `svid-server`, `no-certificate`, `no-issuer`,
 *   `no-responder`, `already-stapled`, `no-staple`, when the application boots
 */
export const ocsp: FastifyPluginAsync<OcspOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/ocsp',
  fastify: '5.x',
})
