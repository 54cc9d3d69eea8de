export * from '@fastify-spiffe/spiffe'
