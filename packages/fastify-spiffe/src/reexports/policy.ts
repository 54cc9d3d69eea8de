export * from '@fastify-spiffe/policy'
