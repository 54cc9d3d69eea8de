export * from '@fastify-spiffe/workload-api'
