export * from '@fastify-spiffe/policy/devices'
