export * from '@fastify-spiffe/policy/ext-authz'
