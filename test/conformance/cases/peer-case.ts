import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { ClientOptions } from '../driver/client.ts'
import type { Harness } from '../driver/harness.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import {
  expectEqual,
  expectThat,
  Failure,
  type ConformanceCase,
  type Level,
} from '../suite/case.ts'

export const PEER_ID = 'spiffe://example.org/peer'

export const FOREIGN_DOMAIN = 'foreign.test'
export const FOREIGN_ID = 'spiffe://foreign.test/peer'

const CONTROL_ID = 'spiffe://example.org/control'

/** The authorities of one case. */
export interface Authorities {
  /** Of the harness's own trust domain; its only authority. */
  readonly home: MintedCa
  /** Of another trust domain, whose bundle the harness has where the case is about federation. */
  readonly foreign: MintedCa
}

/** A peer, and what is to become of it in both roles: as a client of the harness and as its server. */
export interface PeerCase {
  readonly name: string
  readonly level: Level
  readonly title: string
  readonly rule: string
  readonly verdict: 'accepted' | 'refused'
  /** What it presents; of several, each is tried. */
  readonly peer: (
    authorities: Authorities,
  ) => Promise<MintedCertificate | readonly MintedCertificate[]>
  /** The SPIFFE ID that it proves when it is accepted. Default {@link PEER_ID}. */
  readonly spiffeId?: string
  /** The authority of the own trust domain. Default: a good one. */
  readonly home?: () => Promise<MintedCa>
  /** Whether the harness has the bundle of the foreign trust domain. Default `false`. */
  readonly isFederated?: boolean
  readonly tls?: Pick<ClientOptions, 'minVersion' | 'maxVersion'>
  readonly roles?: readonly Role[]
  /** The names of the results carry no role, as the case is about one only. */
  readonly hasPlainName?: boolean
}

export type Role = 'server' | 'client'

/** The results of a peer case, one for each role of the harness. */
export function inBothRoles(peerCase: PeerCase): ConformanceCase[] {
  const { name, level, title, rule, roles = ['server', 'client'], hasPlainName = false } = peerCase
  return roles.map((role) => ({
    name: hasPlainName ? name : `${name}/${role}`,
    level,
    title,
    rule,
    run: (stage) => run(stage, role, peerCase),
  }))
}

async function run(stage: Stage, role: Role, peerCase: PeerCase): Promise<void> {
  const { verdict, spiffeId = PEER_ID } = peerCase
  const authorities = {
    home: await (peerCase.home?.() ?? mintRootCa(TRUST_DOMAIN)),
    foreign: await mintRootCa(FOREIGN_DOMAIN),
  }
  const harness = await startWith(stage, authorities, peerCase.isFederated ?? false)
  const meet = role === 'server' ? meetAsClient : meetAsServer
  const control = await authorities.home.mint(CONTROL_ID)
  // A refusal says something only where a good peer is accepted.
  const welcome = await meet(stage, harness, control, peerCase.tls)
  if (welcome !== CONTROL_ID) throw new Error('the positive control was not accepted')
  for (const peer of [await peerCase.peer(authorities)].flat()) {
    const outcome = await meet(stage, harness, peer, peerCase.tls)
    if (verdict === 'refused') expectThat(outcome === null, `accepted, as ${outcome}`)
    else expectEqual(outcome, spiffeId, 'the peer is')
  }
}

/** Starts the harness with an SVID of the home authority and the bundles that it is to have. */
export async function startWith(
  stage: Stage,
  { home, foreign }: Authorities,
  isFederated: boolean,
): Promise<Harness> {
  const agent = await stage.scriptedAgent()
  const svid = await home.mint(HARNESS_ID)
  agent.publish({
    svids: [entry(HARNESS_ID, svid, home)],
    federated_bundles: isFederated ? federated(foreign) : {},
  })
  return stage.start(agent)
}

/** The SPIFFE ID that the harness tells a client; `null`: it cut the client off. */
export async function meetAsClient(
  _stage: Stage,
  harness: Harness,
  material: MintedCertificate,
  options: PeerCase['tls'] = {},
): Promise<string | null> {
  const { line, server } = await harness.present({ material, ...options })
  if (server === null) throw new Failure('the harness presented no SVID')
  return line
}

/** The SPIFFE ID that the harness found at a server; `null`: it refused the server. */
export async function meetAsServer(
  stage: Stage,
  harness: Harness,
  material: MintedCertificate,
): Promise<string | null> {
  const server = await stage.server(material)
  const outcome = await harness.control.dial(server.address)
  return outcome.verdict === 'accepted' ? String(outcome.spiffeId) : null
}
