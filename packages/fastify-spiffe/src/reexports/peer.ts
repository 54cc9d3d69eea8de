export * from '@fastify-spiffe/peer'
export { default } from '@fastify-spiffe/peer'
