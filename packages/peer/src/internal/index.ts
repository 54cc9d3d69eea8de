export { logOnce, withoutStack } from './refusal-log.ts'
