export * from '@fastify-spiffe/federation'
