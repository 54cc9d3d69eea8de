export type { OpaInput } from './input.ts'
export { opa, type OpaOptions } from './opa.ts'
