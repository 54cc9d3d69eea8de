export * from '@fastify-spiffe/authz/ext-authz'
