import { mintRootCa } from '@fastify-spiffe/authority'
import { TRUST_DOMAIN } from '../driver/agent.ts'
import type { ConformanceCase } from '../suite/case.ts'
import { inBothRoles, PEER_ID, type PeerCase } from './peer-case.ts'

const HOUR_MS = 3_600_000
const UNKNOWN_EXTENSION = { oid: '1.3.6.1.4.1.99999.1', value: Buffer.from('0500', 'hex') }

const peers: readonly Omit<PeerCase, 'name'>[] = [
  {
    level: 'core',
    title: 'a peer that does not send its intermediate is refused',
    rule: 'X509-SVID §5.1 (31)',
    verdict: 'refused',
    peer: async ({ home }) =>
      (await home.mintCa()).mint(PEER_ID, { chain: (sent) => sent.slice(0, 1) }),
  },
  {
    level: 'core',
    title: 'a peer behind an intermediate that is no CA is refused',
    rule: 'X509-SVID §4.1 (27); RFC 5280 §6.1.4',
    verdict: 'refused',
    peer: async ({ home }) => (await home.mintCa({ ca: false })).mint(PEER_ID),
  },
  {
    level: 'core',
    title: 'a peer behind an intermediate that may not sign certificates is refused',
    rule: 'X509-SVID §4.3 (27); RFC 5280 §6.1.4',
    verdict: 'refused',
    peer: async ({ home }) => (await home.mintCa({ keyUsage: ['cRLSign'] })).mint(PEER_ID),
  },
  {
    level: 'core',
    title: 'a peer behind an intermediate that has expired is refused',
    rule: 'X509-SVID §5.1 (31); RFC 5280 §6.1.3',
    verdict: 'refused',
    peer: async ({ home }) =>
      (await home.mintCa({ notBefore: Date.now() - HOUR_MS, notAfter: Date.now() - 1000 })).mint(
        PEER_ID,
      ),
  },
  {
    level: 'core',
    title: 'a peer whose signature is bad is refused',
    rule: 'X509-SVID §5.1 (31); RFC 5280 §6.1.3',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { corruptSignature: true }),
  },
  {
    level: 'core',
    title: 'a peer that has signed itself is refused',
    rule: 'X509-SVID §5.1 (31)',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { signedBy: 'self' }),
  },
  {
    level: 'core',
    title: 'a peer with a critical extension that nobody knows is refused',
    rule: 'X509-SVID §5.1 (31); RFC 5280 §4.2',
    verdict: 'refused',
    peer: ({ home }) =>
      home.mint(PEER_ID, { extraExtensions: [{ ...UNKNOWN_EXTENSION, critical: true }] }),
  },
  {
    level: 'core',
    title: 'a peer with an extension that nobody knows, and that is not critical, is accepted',
    rule: 'RFC 5280 §4.2',
    verdict: 'accepted',
    peer: ({ home }) => home.mint(PEER_ID, { extraExtensions: [UNKNOWN_EXTENSION] }),
  },
  {
    level: 'core',
    title: 'a peer with an empty subject and a URI SAN that is not critical is refused',
    rule: 'X509-SVID §3.1 (21); RFC 5280 §4.2.1.6',
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { subject: '', sanCritical: false }),
  },
  {
    level: 'recommended',
    title: 'a peer behind an intermediate whose SPIFFE ID has a path is refused',
    rule: 'X509-SVID §3.2 (28)',
    verdict: 'refused',
    peer: async ({ home }) =>
      (await home.mintCa({ uris: ['spiffe://example.org/intermediate'] })).mint(PEER_ID),
  },
  {
    level: 'recommended',
    title: 'a peer behind an intermediate of another trust domain is refused',
    rule: 'X509-SVID §3.2 (29)',
    verdict: 'refused',
    peer: async ({ home }) => (await home.mintCa({ uris: ['spiffe://other.test'] })).mint(PEER_ID),
  },
  {
    level: 'core',
    title: 'a peer within the name constraints of its intermediate is accepted',
    rule: 'X509-SVID §4.2 (30); RFC 5280 §4.2.1.10',
    verdict: 'accepted',
    peer: async ({ home }) =>
      (await home.mintCa({ nameConstraints: { permittedUris: [TRUST_DOMAIN] } })).mint(PEER_ID),
  },
  {
    level: 'core',
    title: 'a peer outside the name constraints of its intermediate is refused',
    rule: 'X509-SVID §4.2 (30); RFC 5280 §4.2.1.10',
    verdict: 'refused',
    peer: async ({ home }) => [
      await (
        await home.mintCa({ nameConstraints: { permittedUris: ['other.test'] } })
      ).mint(PEER_ID),
      await (
        await home.mintCa({ nameConstraints: { excludedUris: [TRUST_DOMAIN] } })
      ).mint(PEER_ID),
    ],
  },
  {
    level: 'core',
    title: 'a peer below an authority that is not self-signed is accepted',
    rule: 'Trust Domain and Bundle §4 (37)',
    verdict: 'accepted',
    home: async () => mintRootCa(TRUST_DOMAIN, { signedBy: await mintRootCa('above.test', {}) }),
    peer: ({ home }) => home.mint(PEER_ID),
  },
]

export const chains: readonly ConformanceCase[] = peers.flatMap((peer, index) =>
  inBothRoles({ ...peer, name: `CHAIN-${index + 1}` }),
)
