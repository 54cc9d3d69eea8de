export * from '@fastify-spiffe/authz/cedar'
