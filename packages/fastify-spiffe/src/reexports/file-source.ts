export * from '@fastify-spiffe/file-source'
