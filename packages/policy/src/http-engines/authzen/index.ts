export { authzen, type AuthzenOptions } from './authzen.ts'
export type { AuthzenEvaluation } from './evaluation.ts'
