export { logOnce, outermostOf, withoutStack } from '@fastify-spiffe/plugin-kit'
export { demandsCertificates } from './listener.ts'
