export * from '@fastify-spiffe/chain/test-kit'
export * from '@fastify-spiffe/peer/test-kit'
export * from '@fastify-spiffe/tls/test-kit'
