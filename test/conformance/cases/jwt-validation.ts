import { encoded, Signer, WORKLOAD_ID, type Members, type TokenDraft } from '../driver/signer.ts'
import type { ConformanceCase } from '../suite/case.ts'
import { FOREIGN_TOKEN_DOMAIN, tokenCase, type TokenCase } from './jwt-case.ts'

const FOREIGN_ID = `spiffe://${FOREIGN_TOKEN_DOMAIN}/workload`
const now = (): number => Math.floor(Date.now() / 1000)

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
] as const

const algorithms = ALGORITHMS.map((algorithm): TokenCase => ({
  name: `JV-2/${algorithm}`,
  title: `a token signed with ${algorithm} is accepted`,
  rule: 'JWT-SVID §2.1 (83)',
  verdict: 'accepted',
  signers: () => [new Signer('own', algorithm)],
  token: ([own]) => own!.token(),
}))

type Row = readonly [name: string, title: string, rule: string, draft: () => TokenDraft]

const accepted: readonly Row[] = [
  ['JV-1', 'a good token is accepted', '§4 (82)', () => ({})],
  ['JV-6/JWT', 'typ may be JWT', '§2.3 (85)', () => ({ header: { typ: 'JWT' } })],
  ['JV-6/JOSE', 'typ may be JOSE', '§2.3 (85)', () => ({ header: { typ: 'JOSE' } })],
  ['JV-7', 'typ may be absent', '§2.3 (85)', () => ({ header: { typ: undefined } })],
  [
    'JV-14',
    'one audience of several is enough',
    '§3.2 (87)',
    () => ({ claims: { aud: ['x', 'conformance'] } }),
  ],
  ['JV-22', 'kid may be absent', '§2.2 (84)', () => ({ header: { kid: undefined } })],
]

const rejected: readonly Row[] = [
  ['JV-3', 'alg none is rejected', '§2.1 (83)', () => ({ header: { alg: 'none' } })],
  ...['HS256', 'HS384', 'HS512'].map((alg): Row => [
    `JV-4/${alg}`,
    `${alg} keyed with the public key is rejected`,
    '§2.1 (83)',
    () => ({ header: { alg }, algorithm: alg }),
  ]),
  ['JV-8', 'another typ is rejected', '§2.3 (85)', () => ({ header: { typ: 'at+jwt' } })],
  ['JV-9', 'a token without sub is rejected', '§3.1 (86)', () => ({ claims: { sub: undefined } })],
  [
    'JV-10',
    'a sub that is no SPIFFE ID is rejected',
    '§3.1 (86)',
    () => ({ claims: { sub: 'workload' } }),
  ],
  [
    'JV-11',
    'a sub of an unknown trust domain is rejected',
    '§4 (86)',
    () => ({ claims: { sub: 'spiffe://unknown.test/x' } }),
  ],
  ['JV-12', 'a token without aud is rejected', '§3.2 (87)', () => ({ claims: { aud: undefined } })],
  [
    'JV-13',
    'a token for another audience is rejected',
    '§3.2 (87)',
    () => ({ claims: { aud: ['other'] } }),
  ],
  ['JV-15', 'a token without exp is rejected', '§3.3 (88)', () => ({ claims: { exp: undefined } })],
  [
    'JV-16',
    'an expired token is rejected',
    '§3.3 (88)',
    () => ({ claims: { iat: now() - 600, exp: now() - 120 } }),
  ],
  [
    'JV-17',
    'a token whose nbf is to come is rejected',
    'RFC 7519 §4.1.5 (88)',
    () => ({ claims: { nbf: now() + 120 } }),
  ],
  ['JV-18', 'an unknown kid is rejected', '§2.2 (84)', () => ({ header: { kid: 'unknown' } })],
  [
    'JV-19',
    'a key does not sign for another trust domain',
    '§4 (89)',
    () => ({ claims: { sub: FOREIGN_ID } }),
  ],
  [
    'JV-21',
    'an unknown critical extension is rejected',
    'RFC 7515 §4.1.11 (85)',
    () => ({ header: { crit: ['x'], x: 1 } }),
  ],
]

const rows = (verdict: 'accepted' | 'rejected') => {
  return ([name, title, rule, draft]: Row): TokenCase => ({
    name,
    title,
    rule: rule.startsWith('§') ? `JWT-SVID ${rule}` : rule,
    verdict,
    token: ([own]) => own!.token(draft()),
  })
}

/** The key that `kid` names is good, and does not fit `alg`. */
const mismatches = (
  [
    ['curve', 'ES384', 'ES256', 'a key of another curve'],
    ['ec', 'ES256', 'RS256', 'a key with a curve for RSA'],
    ['rsa', 'RS256', 'ES256', 'an RSA key for ECDSA'],
  ] as const
).map(([variant, named, used, what]): TokenCase => ({
  name: `JV-20/${variant}`,
  title: `${what} does not verify a token`,
  rule: 'JWT-SVID §2.1 (89); RFC 7518 §3.4',
  verdict: 'rejected',
  signers: () => [new Signer('own', used), new Signer('named', named)],
  token: ([own]) => own!.token({ header: { kid: 'named' } }),
}))

const others: readonly TokenCase[] = [
  {
    name: 'JV-4/EdDSA',
    title: 'EdDSA is rejected, though there is such a key',
    rule: 'JWT-SVID §2.1 (83)',
    verdict: 'rejected',
    signers: () => [new Signer('own'), new Signer('eddsa', 'EdDSA')],
    token: ([, eddsa]) => eddsa!.token(),
  },
  {
    name: 'JV-5',
    title: 'a token that no key of the bundle has signed is rejected',
    rule: 'JWT-SVID §4 (89)',
    verdict: 'rejected',
    token: () => new Signer('own').token(),
  },
  {
    name: 'JV-23',
    title: 'a token of a federated trust domain is accepted as whose it is',
    rule: 'JWT-SVID §4 (86)',
    verdict: 'accepted',
    spiffeId: FOREIGN_ID,
    token: (_own, foreign) => foreign.token({ claims: { sub: FOREIGN_ID } }),
  },
  {
    name: 'JV-24',
    title: 'claims that were changed after they were signed are rejected',
    rule: 'JWT-SVID §4 (89)',
    verdict: 'rejected',
    token: ([own]) => {
      const [header = '', claims = '', signature = ''] = own!.token().split('.')
      const said = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Members
      return [header, encoded({ ...said, sub: `${WORKLOAD_ID}/admin` }), signature].join('.')
    },
  },
  ...serializations(),
]

function serializations(): TokenCase[] {
  const forms: readonly (readonly [string, string, (parts: readonly string[]) => string])[] = [
    [
      'flattened',
      'flattened JSON serialization',
      ([header, payload, signature]) => JSON.stringify({ protected: header, payload, signature }),
    ],
    [
      'general',
      'general JSON serialization',
      ([header, payload, signature]) =>
        JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    ],
    ['padded', 'base64url with padding', (parts) => parts.map((part) => `${part}=`).join('.')],
  ]
  return forms.map(([variant, what, write]) => ({
    name: `JV-25/${variant}`,
    title: `${what} is rejected`,
    rule: 'JWT-SVID §2 (82)',
    verdict: 'rejected',
    token: ([own]) => write(own!.token().split('.')),
  }))
}

export const jwtValidation: readonly ConformanceCase[] = [
  ...algorithms,
  ...accepted.map(rows('accepted')),
  ...rejected.map(rows('rejected')),
  ...mismatches,
  ...others,
].map(tokenCase)
