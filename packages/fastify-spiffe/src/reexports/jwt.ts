export * from '@fastify-spiffe/authz/jwt'
