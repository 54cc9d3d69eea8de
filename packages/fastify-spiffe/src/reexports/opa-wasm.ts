export * from '@fastify-spiffe/policy/opa-wasm'
