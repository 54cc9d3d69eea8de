import { mintRootCa, type SvidTemplate } from '@fastify-spiffe/authority'
import { TRUST_DOMAIN } from '../driver/agent.ts'
import type { ConformanceCase } from '../suite/case.ts'
import { inBothRoles, PEER_ID, type PeerCase } from './peer-case.ts'

type Row = readonly [title: string, verdict: PeerCase['verdict'], template: SvidTemplate]

/** Peers that differ from a good one in the shape of their leaf. */
const leaves = (
  group: string,
  { level, rule }: Pick<PeerCase, 'level' | 'rule'>,
  rows: readonly Row[],
): readonly PeerCase[] =>
  rows.map(([title, verdict, template], index) => ({
    name: `${group}-${index + 1}`,
    level,
    title: `a peer whose leaf ${title} is ${verdict}`,
    rule,
    verdict,
    peer: ({ home }) => home.mint(PEER_ID, template),
  }))

const keyUsage = leaves('KU', { level: 'recommended', rule: 'X509-SVID §4.3 (23, 24)' }, [
  ['has digitalSignature and nothing else', 'accepted', { keyUsage: ['digitalSignature'] }],
  ['has no KeyUsage', 'refused', { keyUsage: 'absent' }],
  ['has a KeyUsage that is not critical', 'refused', { keyUsageCritical: false }],
  ['lacks digitalSignature', 'refused', { keyUsage: ['keyEncipherment', 'keyAgreement'] }],
])

const ANY_PURPOSE = '2.5.29.37.0'
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'

const extendedKeyUsage = leaves('EKU', { level: 'recommended', rule: 'X509-SVID §4.4 (26)' }, [
  ['has no extended key usage', 'accepted', { extendedKeyUsage: 'absent' }],
  [
    'has another purpose beside serverAuth and clientAuth',
    'accepted',
    { extendedKeyUsage: ['serverAuth', 'clientAuth', CODE_SIGNING] },
  ],
  ['has serverAuth alone', 'refused', { extendedKeyUsage: ['serverAuth'] }],
  ['has clientAuth alone', 'refused', { extendedKeyUsage: ['clientAuth'] }],
  ['has neither serverAuth nor clientAuth', 'refused', { extendedKeyUsage: [CODE_SIGNING] }],
  ['has any purpose, and neither of the two', 'refused', { extendedKeyUsage: [ANY_PURPOSE] }],
])

const pathLength: readonly PeerCase[] = [
  {
    name: 'PATHLEN-1',
    level: 'core',
    title: 'a peer right below an authority with path length 0 is accepted',
    rule: 'X509-SVID §4.1 (30); RFC 5280 §4.2.1.9',
    verdict: 'accepted',
    home: () => mintRootCa(TRUST_DOMAIN, { pathLength: 0 }),
    peer: ({ home }) => home.mint(PEER_ID),
  },
  {
    name: 'PATHLEN-2',
    level: 'core',
    title: 'a peer behind an intermediate of an authority with path length 0 is refused',
    rule: 'X509-SVID §4.1 (30); RFC 5280 §4.2.1.9',
    verdict: 'refused',
    home: () => mintRootCa(TRUST_DOMAIN, { pathLength: 0 }),
    peer: async ({ home }) => (await home.mintCa()).mint(PEER_ID),
  },
  {
    name: 'PATHLEN-3',
    level: 'core',
    title: 'a peer behind as many intermediates as the path length allows is accepted',
    rule: 'X509-SVID §4.1 (30); RFC 5280 §4.2.1.9',
    verdict: 'accepted',
    peer: async ({ home }) =>
      (await (await home.mintCa({ pathLength: 1 })).mintCa({ pathLength: 0 })).mint(PEER_ID),
  },
  {
    name: 'PATHLEN-4',
    level: 'core',
    title: 'a peer behind one intermediate more than the path length allows is refused',
    rule: 'X509-SVID §4.1 (30); RFC 5280 §4.2.1.9',
    verdict: 'refused',
    peer: async ({ home }) => (await (await home.mintCa({ pathLength: 0 })).mintCa()).mint(PEER_ID),
  },
]

export const certificateProfile: readonly ConformanceCase[] = [
  ...keyUsage,
  ...extendedKeyUsage,
  ...pathLength,
].flatMap(inBothRoles)
