import { fileURLToPath } from 'node:url'
import autoload from '@fastify/autoload'
import type { FastifyInstance } from 'fastify'
import { fastifySpiffe, spiffeServer, X509Source, type SpiffeServerOptions } from 'fastify-spiffe'

const source = await X509Source.open()

/** For `fastify start --options`, which hands Fastify a deep copy. */
export const options: ReturnType<typeof spiffeServer> = spiffeServer(source, {
  http2: process.env['HTTP2'] === 'yes',
  ...(process.env['HTTP2'] === 'yes' && { allowHTTP1: true }),
} as SpiffeServerOptions & { http2: false })

export default async function service(fastify: FastifyInstance, _options: object): Promise<void> {
  await fastify.register(fastifySpiffe, { source, closeSource: true })
  const dir = fileURLToPath(new URL('routes', import.meta.url))
  await fastify.register(autoload, { dir })
}
