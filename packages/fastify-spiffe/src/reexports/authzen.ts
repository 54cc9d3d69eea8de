export * from '@fastify-spiffe/authz/authzen'
