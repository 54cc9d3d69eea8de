export * from '@fastify-spiffe/grpc'
