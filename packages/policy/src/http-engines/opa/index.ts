export type { OpaInput } from '../../engine-kit/opa-input.ts'
export { opa, type OpaOptions } from './opa.ts'
