export { injectAs } from './inject-as.ts'
export type { PresentedChain } from '@fastify-spiffe/plugin-kit'
export type { Caller, InjectableApplication, PresentedCaller } from './inject-as.ts'
