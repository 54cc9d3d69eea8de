import { curl } from './curl/peer.ts'
import { ghostunnel } from './ghostunnel/peer.ts'
import { goSpiffe } from './go-spiffe/peer.ts'
import { haproxy } from './haproxy/peer.ts'
import { javaSpiffe } from './java-spiffe/peer.ts'
import { nginx } from './nginx/peer.ts'
import type { Peer } from './peer.ts'
import { pySpiffe } from './py-spiffe/peer.ts'
import { rustSpiffe } from './rust-spiffe/peer.ts'

/** All of them, in the order of the table. */
export const PEERS: readonly Peer[] = [
  goSpiffe,
  javaSpiffe,
  pySpiffe,
  rustSpiffe,
  ghostunnel,
  nginx,
  haproxy,
  curl,
]
