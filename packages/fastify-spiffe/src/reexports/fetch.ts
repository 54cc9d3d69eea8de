export * from '@fastify-spiffe/fetch'
