export * from '@fastify-spiffe/policy/authzen'
