export * from '@fastify-spiffe/authz/devices'
