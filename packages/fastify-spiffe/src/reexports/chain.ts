export * from '@fastify-spiffe/chain'
export { default } from '@fastify-spiffe/chain'
