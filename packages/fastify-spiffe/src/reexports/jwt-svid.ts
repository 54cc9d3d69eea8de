export * from '@fastify-spiffe/spiffe/jwt-svid'
