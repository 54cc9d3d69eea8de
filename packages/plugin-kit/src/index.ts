export { FASTIFY_OPTION_NAMES } from './fastify-option-names.ts'
export { outermostOf } from './outermost.ts'
export { logOnce, withoutStack } from './refusal-log.ts'
export { AUTHZ_REGISTRATIONS, refuseUnenforcedRules } from './unenforced-rules.ts'
