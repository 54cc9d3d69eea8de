export * from '@fastify-spiffe/authz/opa'
