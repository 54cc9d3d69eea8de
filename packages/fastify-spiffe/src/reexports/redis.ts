export * from '@fastify-spiffe/authz/redis'
