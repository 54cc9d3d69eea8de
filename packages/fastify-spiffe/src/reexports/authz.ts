export * from '@fastify-spiffe/authz'
export { default } from '@fastify-spiffe/authz'
