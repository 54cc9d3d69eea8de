export * from '@fastify-spiffe/policy/cerbos'
