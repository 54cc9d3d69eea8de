export { demandsCertificates } from './listener.ts'
export { outermostOf } from './outermost.ts'
export { logOnce, withoutStack } from './refusal-log.ts'
