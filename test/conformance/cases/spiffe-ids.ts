import { mintRootCa } from '@fastify-spiffe/authority'
import { TrustDomain } from '@fastify-spiffe/spiffe'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import { expectEqual, type ConformanceCase } from '../suite/case.ts'
import { Signer } from '../driver/signer.ts'
import { TokenScene } from './jwt-case.ts'
import { inBothRoles, PEER_ID } from './peer-case.ts'

/** What is wrong with an ID, and the rule that says so. */
type Invalid = readonly [variant: string, id: string, title: string, rule: string]

// Where it is the trust domain that is wrong, there can be no bundle for it either: what the parser
// says of such IDs is the matter of test/rules/spiffe-id.test.ts.
const invalid: readonly Invalid[] = [
  ['scheme', 'http://example.org/peer', 'has another scheme', '§2 (1)'],
  ['no-authority', 'spiffe:/example.org/peer', 'has no ://', '§2 (1)'],
  ['empty-trust-domain', 'spiffe:///peer', 'has no trust domain', '§2.1 (2)'],
  ['fragment', 'spiffe://example.org/peer#x', 'has a fragment', '§2 (3)'],
  ['userinfo', 'spiffe://user@example.org/peer', 'has userinfo', '§2 (4)'],
  ['trust-domain-character', 'spiffe://example!org/peer', 'has a bad trust domain', '§2.1 (5)'],
  ['trust-domain-encoding', 'spiffe://example%2eorg/peer', 'encodes it', '§2.1 (6)'],
  ['long-trust-domain', `spiffe://${'a'.repeat(256)}/peer`, 'has 256 bytes of it', '§2.3 (8)'],
  ['empty-segment', 'spiffe://example.org//peer', 'has an empty segment', '§2.2 (10)'],
  ['dot-segment', 'spiffe://example.org/./peer', 'has a . segment', '§2.2 (10)'],
  ['dot-dot-segment', 'spiffe://example.org/a/../peer', 'has a .. segment', '§2.2 (10)'],
  ['path-character', 'spiffe://example.org/pe!er', 'has a bad character in a segment', '§2.2 (12)'],
]

// Named by the catalogue as what is sampled on the X.509 port.
const sampled: readonly Invalid[] = [
  ['query', 'spiffe://example.org/peer?x=1', 'has a query', '§2 (3)'],
  ['percent-encoding', 'spiffe://example.org/pe%65r', 'has percent-encoding', '§2.2 (9)'],
  ['trailing-slash', 'spiffe://example.org/peer/', 'ends with a slash', '§2.2 (11)'],
  ['port', 'spiffe://example.org:8443/peer', 'has a port', '§2.1 (4)'],
]

type Valid = readonly [variant: string, id: string, title: string, rule: string]

const prefix = 'spiffe://example.org/'

const valid: readonly Valid[] = [
  ['all-characters', `${prefix}AZaz09.-_/b`, 'uses all the characters', '§2.2 (12)'],
  ['dots', `${prefix}.../..a/a..`, 'has segments that begin with dots', '§2.2 (10)'],
  ['ip-like', 'spiffe://10.0.0.1/peer', 'names a trust domain like an IP address', '§2.1 (7)'],
  ['2048-bytes', prefix.padEnd(2048, 'x'), 'has 2048 bytes', '§2.3 (13)'],
]

const refused = ([variant, id, title, rule]: Invalid): ConformanceCase[] =>
  inBothRoles({
    name: `ID-1/${variant}`,
    level: 'core',
    title: `a peer whose SPIFFE ID ${title} is refused`,
    rule: `SPIFFE-ID ${rule}`,
    verdict: 'refused',
    peer: ({ home }) => home.mint(PEER_ID, { uris: [id] }),
    roles: ['server'],
    hasPlainName: true,
  })

// Of any trust domain: its own authority is federated.
const accepted = ([variant, id, title, rule]: Valid): ConformanceCase => ({
  name: `ID-2/${variant}`,
  level: 'core',
  title: `a peer whose SPIFFE ID ${title} is accepted`,
  rule: `SPIFFE-ID ${rule}`,
  run: async (stage) => {
    const home = await mintRootCa('example.org')
    const trustDomain = TrustDomain.parse(id.split('/')[2] ?? '')
    const isOwn = trustDomain.equals(home.trustDomain)
    const theirs = isOwn ? home : await mintRootCa(trustDomain)
    const agent = await stage.scriptedAgent()
    agent.publish({
      svids: [entry(HARNESS_ID, await home.mint(HARNESS_ID), home)],
      federated_bundles: isOwn ? {} : federated(theirs),
    })
    const harness = await stage.start(agent)
    const { line } = await harness.present({ material: await theirs.mint(id) })
    expectEqual(line, id, 'the peer is')
  },
})

/** Cases that the catalogue has not got. */
export const upperCase: readonly ConformanceCase[] = [
  ...(
    [
      ['CASE-1', 'SPIFFE://example.org/peer', 'whose scheme has upper-case letters'],
      ['CASE-2', 'spiffe://Example.org/peer', 'whose trust domain has upper-case letters'],
    ] as const
  ).flatMap(([name, id, title]) =>
    inBothRoles({
      name,
      level: 'core',
      title: `a peer ${title} is refused`,
      rule: 'SPIFFE-ID §2.1 (5, 14)',
      verdict: 'refused',
      peer: ({ home }) => home.mint(PEER_ID, { uris: [id] }),
    }),
  ),
  ...inBothRoles({
    name: 'CASE-3',
    level: 'core',
    title: 'upper-case letters in the path are kept as they are',
    rule: 'SPIFFE-ID §2.2 (14)',
    verdict: 'accepted',
    spiffeId: 'spiffe://example.org/Peer/PEER',
    peer: ({ home }) => home.mint('spiffe://example.org/Peer/PEER'),
  }),
]

/** The same for tokens, whose keys are of the trust domain that the name is of, if it is of any. */
const asToken = (
  [variant, id, title, rule]: Invalid | Valid,
  verdict: 'accepted' | 'rejected',
): ConformanceCase => ({
  name: `ID-${verdict === 'accepted' ? 2 : 1}/${variant}/token`,
  level: 'core',
  title: `a token whose SPIFFE ID ${title} is ${verdict}`,
  rule: `SPIFFE-ID ${rule}`,
  run: async (stage) => {
    const own = new Signer('own')
    const named = TrustDomain.safeParse(id.split('/')[2])
    const trustDomain = named.ok ? named.value.name : TRUST_DOMAIN
    const state = { [TRUST_DOMAIN]: [own], [trustDomain]: [own] }
    const scene = await TokenScene.start(stage, state)
    await scene.accepts(own.token())
    const token = own.token({ claims: { sub: id } })
    if (verdict === 'accepted') await scene.accepts(token, id)
    else await scene.rejects(token)
  },
})

export const spiffeIds: readonly ConformanceCase[] = [
  ...[...invalid, ...sampled].flatMap(refused),
  ...valid.map(accepted),
  ...invalid.map((each) => asToken(each, 'rejected')),
  ...valid.map((each) => asToken(each, 'accepted')),
]
