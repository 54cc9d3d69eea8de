export { injectAs } from './inject-as.ts'
export type { Caller, InjectableApplication } from './inject-as.ts'
