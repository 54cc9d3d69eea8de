export { demandsCertificates } from './listener.ts'
export { logOnce, withoutStack } from './refusal-log.ts'
