import { AUDIENCE, type TokenChange as Change } from './token-draft.ts'

const MINUTES = 60

/** Oddities of the claims (JWT-SVID §3; RFC 7519 §4.1). */
export const claimChanges: Readonly<Record<string, Change>> = {
  'no sub': claimWith('sub', undefined),
  'sub null': claimWith('sub', null),
  'sub that is a number': claimWith('sub', 7),
  'sub that is a list': claimWith('sub', ['spiffe://a.test/acme/web']),
  'an empty sub': claimWith('sub', ''),
  'sub of the trust domain': claimWith('sub', 'spiffe://a.test'),
  'sub with an https URI': claimWith('sub', 'https://a.test/acme/web'),
  'sub with the scheme in upper case': claimWith('sub', 'SPIFFE://a.test/acme/web'),
  'sub with the trust domain in upper case': claimWith('sub', 'spiffe://A.test/acme/web'),
  'sub with a trailing slash': claimWith('sub', 'spiffe://a.test/acme/web/'),
  'sub with an empty segment': claimWith('sub', 'spiffe://a.test/acme//web'),
  'sub with a dot segment': claimWith('sub', 'spiffe://a.test/acme/../web'),
  'sub with percent-encoding': claimWith('sub', 'spiffe://a.test/acme%2fweb'),
  'sub with a query': claimWith('sub', 'spiffe://a.test/acme/web?x=1'),
  'sub with a fragment': claimWith('sub', 'spiffe://a.test/acme/web#x'),
  'sub with a port': claimWith('sub', 'spiffe://a.test:443/acme/web'),
  'sub with a user': claimWith('sub', 'spiffe://me@a.test/acme/web'),
  'sub with a space': claimWith('sub', 'spiffe://a.test/acme/web '),
  'sub of 2049 octets': claimWith('sub', `spiffe://a.test/${'x'.repeat(2033)}`),
  'sub of an unknown trust domain': claimWith('sub', 'spiffe://c.test/acme/web'),
  'sub of another trust domain': claimWith('sub', 'spiffe://b.test/acme/web'),
  'no aud': claimWith('aud', undefined),
  'aud null': claimWith('aud', null),
  'an empty aud': claimWith('aud', ''),
  'an empty list as aud': claimWith('aud', []),
  'aud of another service': claimWith('aud', ['billing']),
  'aud in upper case': claimWith('aud', [AUDIENCE.toUpperCase()]),
  'aud that begins like ours': claimWith('aud', [`${AUDIENCE}-admin`]),
  'aud with a space': claimWith('aud', [`${AUDIENCE} `]),
  'aud that is a string': claimWith('aud', AUDIENCE),
  'aud of several services': claimWith('aud', ['billing', AUDIENCE]),
  'aud with ours twice': claimWith('aud', [AUDIENCE, AUDIENCE]),
  'aud that is a number': claimWith('aud', 7),
  'aud that is an object': claimWith('aud', { [AUDIENCE]: AUDIENCE }),
  'aud with a number': claimWith('aud', [AUDIENCE, 7]),
  'aud with a list': claimWith('aud', [[AUDIENCE]]),
  'aud with null': claimWith('aud', [null, AUDIENCE]),
  'aud of 33 services': claimWith('aud', services(33)),
  'aud of 65 services': claimWith('aud', services(65)),
  'no exp': claimWith('exp', undefined),
  'exp null': claimWith('exp', null),
  'exp that is a string': (draft) => claimWith('exp', String(draft.now + 3600))(draft),
  'exp with a fraction': timeFromNow('exp', 3600.5),
  'exp with an exponent': (draft) => {
    draft.writeClaims = (claims) => JSON.stringify(claims).replace(/"exp":\d+/, '"exp":9e9')
  },
  'exp long ago': claimWith('exp', 1),
  'exp zero': claimWith('exp', 0),
  'a negative exp': claimWith('exp', -1),
  'exp 10 s ago': timeFromNow('exp', -10),
  'exp 5 min ago': timeFromNow('exp', -5 * MINUTES),
  'exp in the year 33658': claimWith('exp', 1e12),
  'exp of 2^63': (draft) => {
    draft.writeClaims = (claims) =>
      JSON.stringify(claims).replace(/"exp":\d+/, `"exp":${2n ** 63n}`)
  },
  'nbf that has come': timeFromNow('nbf', -10),
  'nbf in 55 s': timeFromNow('nbf', 55),
  'nbf in 5 min': timeFromNow('nbf', 5 * MINUTES),
  'nbf with a fraction': timeFromNow('nbf', -10.5),
  'nbf that is a string': claimWith('nbf', '1'),
  'nbf null': claimWith('nbf', null),
  'a negative nbf': claimWith('nbf', -1),
  'no iat': claimWith('iat', undefined),
  'iat in 30 s': timeFromNow('iat', 30),
  'iat in 5 min': timeFromNow('iat', 5 * MINUTES),
  'iat that is a string': claimWith('iat', '1'),
  'iat null': claimWith('iat', null),
  'a negative iat': claimWith('iat', -1),
  'iss and jti': (draft) => {
    Object.assign(draft.claims, { iss: 'https://a.test', jti: 'j-1' })
  },
  'iss and jti that are numbers': (draft) => {
    Object.assign(draft.claims, { iss: 1, jti: 2 })
  },
  'cnf of a WIT-SVID': claimWith('cnf', { jwk: { kty: 'EC' } }),
  'claims of other kinds': (draft) => {
    Object.assign(draft.claims, { roles: ['a'], deep: { er: [1, null, true] }, text: 'ü' })
  },
}

function claimWith(name: string, value: unknown): Change {
  return (draft) => {
    draft.claims[name] = value
  }
}

function timeFromNow(name: string, seconds: number): Change {
  return (draft) => {
    draft.claims[name] = draft.now + seconds
  }
}

/** So many names, the last one ours. */
function services(count: number): readonly string[] {
  return [...Array.from({ length: count - 1 }, (_, number) => `s${number}`), AUDIENCE]
}
