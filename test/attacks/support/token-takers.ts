import { jwtClaims } from '@fastify-spiffe/policy/jwt'
import * as spiffe from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier, verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'

type Make = (options: never) => unknown

const domain = spiffe.TrustDomain.parse('example.org')
const bundles = spiffe.BundleSet.of<spiffe.JwtBundle>()
const NAMES = ['audience', 'clock', 'clockSkewMs', 'maxTokenBytes', 'unknownOption'] as const

/** Who takes options about tokens: what is good, and the options to put a canary in. */
export const JWT_TAKERS: readonly (readonly [
  string,
  Make,
  Record<string, unknown>,
  readonly string[],
])[] = [
  [
    'jwtClaims',
    jwtClaims,
    {
      issuer: 'https://issuer.example.org',
      audience: 'orders',
      algorithms: ['ES256'],
      jwks: { url: 'https://issuer.example.org/keys' },
    },
    [
      'issuer',
      'audience',
      'algorithms',
      'jwks',
      'header',
      'required',
      'maxTokenBytes',
      'clock',
      'unknownOption',
    ],
  ],
  [
    'JwtSvidVerifier',
    (options) => new JwtSvidVerifier(options),
    { source: { jwtBundles: bundles }, audience: 'orders' },
    [...NAMES, 'source', 'maxCachedTokens'],
  ],
  [
    'verifyJwtSvid',
    (options) => verifyJwtSvid('x', bundles, options),
    { audience: 'orders' },
    NAMES,
  ],
]

/** Who reads a bundle. */
export const BUNDLE_READERS: readonly (readonly [string, Make])[] = [
  ['Bundle.parse', (options) => spiffe.Bundle.parse(domain, options)],
  ['Bundle.of', (options) => spiffe.Bundle.of(domain, options)],
  ['parseBundleMap', spiffe.parseBundleMap],
  ['JwtBundle.fromJwks', (options) => spiffe.JwtBundle.fromJwks(domain, options)],
  ['JwtAuthority.fromJwk', (options) => spiffe.JwtAuthority.fromJwk(options)],
]
