export * from '@fastify-spiffe/svid'
export { default } from '@fastify-spiffe/svid'
