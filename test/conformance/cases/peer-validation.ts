import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { Stage } from '../driver/stage.ts'
import { expectEqual, type ConformanceCase } from '../suite/case.ts'
import { inBothRoles, PEER_ID, startWith, type PeerCase } from './peer-case.ts'

const HOUR_MS = 3_600_000

const peers: readonly PeerCase[] = [
  {
    name: 'XV-1',
    level: 'core',
    title: 'a valid peer is accepted as who it is',
    rule: 'X509-SVID §5',
    verdict: 'accepted',
    peer: ({ home }) => home.mint(PEER_ID),
    roles: ['server'],
  },
  {
    name: 'XV-2',
    level: 'core',
    title: 'a peer behind an intermediate is accepted',
    rule: 'X509-SVID §5.1; RFC 5280 §6',
    verdict: 'accepted',
    peer: async ({ home }) => (await home.mintCa()).mint(PEER_ID),
  },
  {
    name: 'XV-3',
    level: 'core',
    title: 'a peer with DNS names beside its SPIFFE ID is accepted',
    rule: 'X509-SVID §2',
    verdict: 'accepted',
    peer: ({ home }) => home.mint(PEER_ID, { dnsNames: ['peer.example.org', 'localhost'] }),
  },
  {
    name: 'XV-4',
    level: 'core',
    title: 'a peer with an empty subject and a critical URI SAN is accepted',
    rule: 'X509-SVID §3.1; RFC 5280 §4.2.1.6',
    verdict: 'accepted',
    peer: ({ home }) => home.mint(PEER_ID, { subject: '', sanCritical: true }),
  },
  {
    name: 'XV-5',
    level: 'core',
    title: 'a peer whose SVID has expired is refused',
    rule: 'X509-SVID §5.1; RFC 5280 §6.1.3',
    verdict: 'refused',
    peer: ({ home }) =>
      home.mint(PEER_ID, { notBefore: Date.now() - 2 * HOUR_MS, notAfter: Date.now() - HOUR_MS }),
  },
  {
    name: 'XV-6',
    level: 'core',
    title: 'a peer whose SVID is not valid yet is refused',
    rule: 'X509-SVID §5.1; RFC 5280 §6.1.3',
    verdict: 'refused',
    peer: ({ home }) =>
      home.mint(PEER_ID, { notBefore: Date.now() + HOUR_MS, notAfter: Date.now() + 2 * HOUR_MS }),
  },
  {
    name: 'XV-7',
    level: 'core',
    title: 'a peer of an authority that has the name of a trusted one, and not its key, is refused',
    rule: 'X509-SVID §5.1; RFC 5280 §6.1.3',
    verdict: 'refused',
    peer: async ({ home }) => (await lookAlike(home)).mint(PEER_ID),
  },
  {
    name: 'XV-8',
    level: 'core',
    title: 'a peer without a URI SAN is refused',
    rule: 'X509-SVID §2, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { uris: [], dnsNames: ['peer.example.org'] }),
  },
  {
    name: 'XV-9',
    level: 'core',
    title: 'a peer with two URI SANs is refused',
    rule: 'X509-SVID §2, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { uris: [PEER_ID, 'spiffe://example.org/other'] }),
  },
  {
    name: 'XV-10',
    level: 'core',
    title: 'a peer whose URI SAN has another scheme is refused',
    rule: 'X509-SVID §2, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { uris: ['https://example.org/peer'] }),
  },
  {
    name: 'XV-11',
    level: 'core',
    title: 'a peer whose leaf is a CA is refused',
    rule: 'X509-SVID §4.1, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { ca: true }),
  },
  {
    name: 'XV-12',
    level: 'core',
    title: 'a peer whose leaf may sign certificates is refused',
    rule: 'X509-SVID §4.3, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { keyUsage: ['digitalSignature', 'keyCertSign'] }),
  },
  {
    name: 'XV-13',
    level: 'core',
    title: 'a peer whose leaf may sign revocation lists is refused',
    rule: 'X509-SVID §4.3, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { keyUsage: ['digitalSignature', 'cRLSign'] }),
  },
  {
    name: 'XV-14',
    level: 'core',
    title: 'a peer whose SPIFFE ID has no path is refused',
    rule: 'X509-SVID §3.1, §5.2',
    verdict: 'refused',
    peer: ({ home }) => home.mint('spiffe://example.org'),
  },
  {
    name: 'XV-15',
    level: 'core',
    title:
      'a peer of an unknown trust domain is refused though its chain leads to a trusted authority',
    rule: 'Workload API §4.6; SPIFFE Federation §7',
    verdict: 'refused',
    peer: ({ home }) => home.mint('spiffe://unknown.test/peer'),
  },
]

export const lookAlike = ({ subject }: MintedCa): Promise<MintedCa> =>
  mintRootCa(TRUST_DOMAIN, { subject })

const presentsItsOwn: ConformanceCase = {
  name: 'XV-1/client',
  level: 'core',
  title: 'a valid server is accepted as who it is, and is presented the own default SVID',
  rule: 'X509-SVID §5; Workload API §5.3',
  run: async (stage: Stage) => {
    const home = await mintRootCa(TRUST_DOMAIN)
    const harness = await startWith(stage, { home, foreign: home }, false)
    const server = await stage.server(await home.mint(PEER_ID))
    const [outcome, client] = await Promise.all([
      harness.control.dial(server.address),
      server.nextClient(),
    ])
    expectEqual(outcome.verdict, 'accepted', 'the server is')
    expectEqual('spiffeId' in outcome && outcome.spiffeId, PEER_ID, 'the server is')
    expectEqual(client?.spiffeId, HARNESS_ID, 'the harness presents')
  },
}

export const peerValidation: readonly ConformanceCase[] = peers
  .flatMap(inBothRoles)
  .toSpliced(1, 0, presentsItsOwn)
