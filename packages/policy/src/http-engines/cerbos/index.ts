export { cerbos, type CerbosOptions } from './cerbos.ts'
export type { CerbosPrincipal, CerbosResource } from './check.ts'
