export * from '@fastify-spiffe/policy/redis'
