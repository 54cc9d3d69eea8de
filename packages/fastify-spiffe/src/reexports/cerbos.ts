export * from '@fastify-spiffe/authz/cerbos'
