export { chainThrough } from './chain-through.ts'
export type { ChainThroughOptions } from './chain-through.ts'
