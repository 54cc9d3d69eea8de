export * from '@fastify-spiffe/policy/cedar'
