export * from '@fastify-spiffe/policy/jwt'
