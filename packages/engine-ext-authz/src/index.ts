export { PolicyError, type PolicyErrorCode } from '@fastify-spiffe/policy'
export { extAuthz, type ExtAuthzOptions } from './ext-authz.ts'
