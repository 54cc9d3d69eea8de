export * from '@fastify-spiffe/tls'
