export { presentPeer } from './present-peer.ts'
export type { PresentedPeer } from './present-peer.ts'
