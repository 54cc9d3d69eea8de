import type { Peer, PeerProgram } from '../peer.ts'
import { LeftOut } from './build.ts'
import { findProgram } from './programs.ts'

/** What became of a peer on this machine. */
export type Preparation =
  | { readonly state: 'ready'; readonly program: PeerProgram }
  | { readonly state: 'left out'; readonly reason: string }
  | { readonly state: 'broken'; readonly error: unknown }

/** Prepares a peer; what the machine does not have leaves it out, and anything else that goes wrong is a failure. */
export async function prepare(peer: Peer): Promise<Preparation> {
  const missing = peer.requires.filter((program) => findProgram(program) === undefined)
  if (missing.length > 0) {
    return { state: 'left out', reason: `no ${missing.join(' and no ')} on this machine` }
  }
  try {
    return { state: 'ready', program: await peer.prepare() }
  } catch (error) {
    if (error instanceof LeftOut) return { state: 'left out', reason: error.message }
    return { state: 'broken', error }
  }
}
