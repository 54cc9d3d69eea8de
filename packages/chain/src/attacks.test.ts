import { createHmac } from 'node:crypto'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, RevocationList, X509Bundle } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { Chains } from './chains.ts'
import {
  A,
  B,
  bundlesOf,
  C,
  certificatesField,
  D,
  E,
  forgeToken,
  HeldSource,
  HOUR_MS,
  makeDomain,
  malleated,
  mint,
  NOW,
  NOW_SECONDS,
  peerNamed,
  sha256,
  svidOf,
  VALIDITY,
  type Domain,
  type Forgery,
} from './scene.test.helper.ts'

let domain: Domain
let partner: Domain
let [a, b, c, d]: MintedCertificate[] = []
let source: HeldSource
let chains: Chains

beforeAll(async () => {
  domain = await makeDomain()
  partner = await makeDomain('partner.test')
  ;[a, b, c, d] = await Promise.all([A, B, C, D].map((id) => mint(domain, id)))
  if (c === undefined) throw new Error('no SVID')
  source = new HeldSource(svidOf(c), bundlesOf(domain))
  chains = new Chains({ source, clock: () => NOW })
})

interface Presented {
  readonly tokens: readonly string[]
  readonly certificates?: string
  readonly peer?: string
  readonly to?: Chains
}

/** What C, or another, says to tokens that B, or another, presents. */
function verdict({ tokens, certificates, peer = B, to = chains }: Presented): string {
  const field = certificates ?? certificatesField(a!, b!)
  const fields = { chain: [tokens.join(',')], certificates: [field] }
  const verification = to.verify(fields, peerNamed(peer))
  return verification.ok ? 'accepted' : verification.code
}

/** A for B, by A; then B for C, by B. */
function good(first: Forgery = {}, second: Forgery = {}): [string, string] {
  const one = forgeToken(a!, A, B, null, first)
  return [one, forgeToken(b!, B, C, one, second)]
}

/** A, B and C, presented to D. */
function three(): [string, string, string] {
  const [one, two] = good()
  return [one, two, forgeToken(c!, C, D, two)]
}

function toD(tokens: readonly string[]): string {
  const to = new Chains({
    source: new HeldSource(svidOf(d!), bundlesOf(domain)),
    clock: () => NOW,
  })
  return verdict({ tokens, certificates: certificatesField(a!, b!, c!), peer: C, to })
}

function headerOf(minted: MintedCertificate): string {
  return `"x5t#S256":"${sha256(minted.chain[0]!)}"`
}

/** Of 64 octets in base64url the last character has four bits that count nothing, of 32 two. */
function after(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(character) + 1]!
}

function withList(list: Buffer): BundleSet {
  const { root } = domain
  return BundleSet.of(
    X509Bundle.of(root.trustDomain, [root.certificate], [RevocationList.fromDer(list)]),
  )
}

/** What C says to these field lines of B. */
function verifyFields(chain: readonly string[], certificates: readonly string[]): string {
  const verification = chains.verify({ chain, certificates }, peerNamed(B))
  if (!verification.ok) return verification.code
  return verification.chain === null ? 'none' : 'accepted'
}

test('a chain that nobody tampered with is accepted, afresh and from memory', () => {
  const tokens = good()
  expect([verdict({ tokens }), verdict({ tokens })]).toEqual(['accepted', 'accepted'])
})

describe('whoever is not the hop that it claims to be is refused:', () => {
  test('B signs the token of A with its own key, naming the certificate of A', () => {
    expect(verdict({ tokens: good({ key: b! }) })).toBe('chain-signature')
  })

  test('B signs as A with its own certificate', () => {
    const one = forgeToken(b!, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    expect(verdict({ tokens })).toBe('chain-subject-mismatch')
  })

  test('a third workload presents a stolen chain on its own connection, also one that is known', () => {
    const tokens = good()
    expect(verdict({ tokens })).toBe('accepted')
    expect(verdict({ tokens, peer: D })).toBe('chain-caller-mismatch')
    expect(verdict({ tokens: good(), peer: D })).toBe('chain-caller-mismatch')
  })

  test('a caller without an identity presents a stolen chain', () => {
    const fields = { chain: [good().join(',')], certificates: [certificatesField(a!, b!)] }
    expect(chains.verify(fields, null)).toEqual({ ok: false, code: 'chain-caller-mismatch' })
  })

  test('a third workload continues the token that A gave to B', () => {
    const [one] = good()
    const tokens = [one, forgeToken(d!, D, C, one)]
    const certificates = certificatesField(a!, d!)
    expect(verdict({ tokens, certificates, peer: D })).toBe('chain-broken')
  })
})

describe('a chain is for one receiver:', () => {
  test('what was for C is replayed to D, by anyone, although D has the same bundles', () => {
    const to = new Chains({
      source: new HeldSource(svidOf(d!), bundlesOf(domain)),
      clock: () => NOW,
    })
    const tokens = good()
    for (const peer of [A, B, C, E]) {
      expect(verdict({ tokens, peer, to })).toBe('chain-wrong-audience')
    }
  })

  test('C presents the chain that it received to D as its own', () => {
    const to = new Chains({
      source: new HeldSource(svidOf(d!), bundlesOf(domain)),
      clock: () => NOW,
    })
    expect(verdict({ tokens: good(), peer: C, to })).toBe('chain-wrong-audience')
  })

  test('a service without an SVID is the receiver of none', () => {
    const to = new Chains({ source: new HeldSource(null, bundlesOf(domain)), clock: () => NOW })
    expect(verdict({ tokens: good(), to })).toBe('chain-wrong-audience')
  })
})

describe('hops can be neither dropped, added, exchanged nor repeated:', () => {
  test('three hops are accepted as they are', () => {
    expect(toD(three())).toBe('accepted')
  })

  test('C drops B', () => {
    const [one, , last] = three()
    expect(toD([one, last])).toBe('chain-broken')
    expect(toD([one, forgeToken(c!, C, D, one)])).toBe('chain-broken')
  })

  test('C drops A', () => {
    const [, two, last] = three()
    expect(toD([two, last])).toBe('chain-broken')
  })

  test('B grafts another origin, who did give it a token, before its own', () => {
    const [, two, last] = three()
    expect(toD([forgeToken(d!, D, B, null), two, last])).toBe('chain-broken')
  })

  test('the tokens come in another order, or one of them twice', () => {
    const [one, two, last] = three()
    for (const tokens of [
      [two, one, last],
      [one, last, two],
      [one, one, two, last],
      [one, two, two, last],
      [one, two, last, last],
    ]) {
      expect(toD(tokens)).toBe('chain-broken')
    }
  })

  test('the first token continues something, or a later one does not', () => {
    const [one] = good({ prv: sha256('anything') })
    expect(toD([one, forgeToken(b!, B, C, one), three()[2]])).toBe('chain-broken')
    expect(verdict({ tokens: good({}, { prv: null }) })).toBe('chain-broken')
  })

  test('a token continues another token of the same A', () => {
    const other = forgeToken(a!, A, B, null, { exp: NOW_SECONDS + 119 })
    const [one] = good()
    expect(verdict({ tokens: [one, forgeToken(b!, B, C, other)] })).toBe('chain-broken')
  })

  test('a bit of the first signature, or of the last, is another', () => {
    const [one, two] = good()
    expect(verdict({ tokens: [flipLast(one), two] })).toBe('chain-broken')
    expect(verdict({ tokens: [one, flipLast(two)] })).toBe('chain-signature')
  })

  test('a signature that is as good as another changes nothing: (r, n - s) is accepted, where the next hop continues it', () => {
    const [one, two] = good()
    expect(verdict({ tokens: [one, malleated(two)] })).toBe('accepted')
    const other = malleated(one)
    expect(verdict({ tokens: [other, forgeToken(b!, B, C, other)] })).toBe('accepted')
    expect(verdict({ tokens: [other, two] })).toBe('chain-broken')
  })
})

/** Flips a bit in the middle of the signature. */
function flipLast(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const octets = Buffer.from(signature, 'base64url')
  octets[20]! ^= 1
  return [header, payload, octets.toString('base64url')].join('.')
}

describe('the key alone says how it signs:', () => {
  test('HS256 with the public key as the secret', () => {
    const secret = b!.keyPair.publicKey.export({ type: 'spki', format: 'pem' })
    const one = forgeToken(a!, A, B, null)
    const unsigned = forgeToken(b!, B, C, one, { alg: 'HS256' })
    const input = unsigned.slice(0, unsigned.lastIndexOf('.'))
    const signature = createHmac('sha256', secret).update(input).digest()
    expect(verdict({ tokens: [one, `${input}.${signature.toString('base64url')}`] })).toBe(
      'chain-algorithm',
    )
  })

  test.each(['none', 'HS256', 'ES384', 'es256', 'PS256'])('alg %s with a key on P-256', (alg) => {
    expect(verdict({ tokens: good({}, { alg }) })).toBe('chain-algorithm')
    expect(verdict({ tokens: good({ alg }) })).toBe('chain-algorithm')
  })

  test('alg none without a signature', () => {
    const tokens = good({}, { alg: 'none', signature: Buffer.alloc(0) })
    expect(verdict({ tokens })).toBe('chain-algorithm')
  })

  test('a signature in DER in place of r and s', () => {
    expect(verdict({ tokens: good({}, { dsaEncoding: 'der' }) })).toBe('chain-algorithm')
  })

  test('r and s are zero', () => {
    const signature = Buffer.alloc(64)
    expect(verdict({ tokens: good({}, { signature }) })).toBe('chain-signature')
    expect(verdict({ tokens: good({ signature }) })).toBe('chain-signature')
  })

  test('a key on P-384 is accepted with ES384, and refused with ES256', async () => {
    const dear = await mint(domain, A, { keyType: 'ec-p384' })
    const certificates = certificatesField(dear, b!)
    const one = forgeToken(dear, A, B, null, { alg: 'ES384', hash: 'sha384' })
    expect(verdict({ tokens: [one, forgeToken(b!, B, C, one)], certificates })).toBe('accepted')
    const two = forgeToken(dear, A, B, null, { hash: 'sha256' })
    expect(verdict({ tokens: [two, forgeToken(b!, B, C, two)], certificates })).toBe(
      'chain-algorithm',
    )
  })

  test.each(['rsa-2048', 'ec-p521', 'ed25519'] as const)(
    'a key of the type %s',
    async (keyType) => {
      const other = await mint(domain, A, { keyType })
      const one = forgeToken(other, A, B, null, { signature: Buffer.alloc(64) })
      const tokens = [one, forgeToken(b!, B, C, one)]
      const certificates = certificatesField(other, b!)
      expect(verdict({ tokens, certificates })).toBe('chain-key-unsupported')
    },
  )
})

const body = `"sub":"${A}","aud":"${B}","iat":${NOW_SECONDS},"exp":${NOW_SECONDS + 120}`

describe('a token has one spelling:', () => {
  test.each(['wpt+jwt', 'dpop+jwt', 'JWT', 'SVID-HOP+JWT', ''])('the typ %j', (typ) => {
    expect(verdict({ tokens: good({ typ }) })).toBe('chain-malformed')
  })

  test.each([
    ['jwk', (x5t: string) => `{"alg":"ES256","typ":"svid-hop+jwt","jwk":{},${x5t}}`],
    ['x5u', (x5t: string) => `{"alg":"ES256","typ":"svid-hop+jwt",${x5t},"x5u":"https://e"}`],
    ['kid', (x5t: string) => `{"alg":"ES256","kid":"1","typ":"svid-hop+jwt",${x5t}}`],
    [
      'crit and b64',
      (x5t: string) => `{"alg":"ES256","typ":"svid-hop+jwt",${x5t},"b64":false,"crit":["b64"]}`,
    ],
    ['no x5t#S256', () => '{"alg":"ES256","typ":"svid-hop+jwt"}'],
    ['another order', (x5t: string) => `{"typ":"svid-hop+jwt","alg":"ES256",${x5t}}`],
    ['alg twice', (x5t: string) => `{"alg":"none","alg":"ES256","typ":"svid-hop+jwt",${x5t}}`],
  ])('a header with %s', (_, header) => {
    expect(verdict({ tokens: good({ header: header(headerOf(a!)) }) })).toBe('chain-malformed')
  })

  test.each([
    ['sub twice', `{"sub":"${C}",${body}}`],
    ['white space', `{ ${body} }`],
    ['a line feed at its end', `{${body}}\n`],
    ['an escape', `{"sub":"spiffe://example.org/acme/w\\u0065b","aud":"${B}","iat":1,"exp":2}`],
    ['another order', `{"aud":"${B}","sub":"${A}","iat":${NOW_SECONDS},"exp":${NOW_SECONDS + 1}}`],
    ['an unknown claim', `{${body},"scope":"all"}`],
    ['__proto__', `{${body},"__proto__":{"sub":"${C}"}}`],
    ['req before jti', `{${body},"req":"${'A'.repeat(43)}","jti":"${'A'.repeat(22)}"}`],
    ['req without jti', `{${body},"req":"${'A'.repeat(43)}"}`],
    ['no object', `[${body}]`],
    ['null', 'null'],
    ['nothing', ' '],
    ['aud as a list', `{"sub":"${A}","aud":["${B}"],"iat":${NOW_SECONDS},"exp":${NOW_SECONDS}}`],
    ['a dot segment', `{${body.replace('/web', '/x/../web')}}`],
    ['upper case', `{${body.replace('example.org', 'EXAMPLE.org')}}`],
    ['a percent sign', `{${body.replace('/web', '/w%65b')}}`],
    ['a trust domain alone', `{${body.replace('/acme/web', '')}}`],
    ['a URL', `{${body.replace('spiffe://', 'https://')}}`],
    ['a character beyond ASCII', `{${body.replace('/web', '/w\u00e9b')}}`],
    ['exp as a fraction', `{${body}.5}`],
    ['exp as 1e400', `{${body.replace(/\d+$/, '1e400')}}`],
    ['exp as a string', `{${body.replace(/\d+$/, `"${NOW_SECONDS + 120}"`)}}`],
    ['exp with a zero before it', `{${body.replace(/\d+$/, `0${NOW_SECONDS + 120}`)}}`],
    ['exp below zero', `{${body.replace(/\d+$/, '-1')}}`],
    ['prv of another length', `{${body},"prv":"AAAA"}`],
  ])('claims with %s', (_, text) => {
    expect(verdict({ tokens: good({ payload: text }) })).toBe('chain-malformed')
  })

  test.each([
    ['padding', (token: string) => `${token}=`],
    ['the other alphabet', (token: string) => token.replace(/.$/, '+')],
    ['bits that nobody reads', (token: string) => token.slice(0, -1) + after(token.at(-1)!)],
    ['a fourth part', (token: string) => `${token}.AAAA`],
    ['a space before it', (token: string) => ` ${token}`],
    ['a line feed at its end', (token: string) => `${token}\n`],
  ])('base64url with %s', (_, spoil) => {
    const [one, two] = good()
    expect(verdict({ tokens: [one, spoil(two)] })).toBe('chain-malformed')
  })

  test('bits that nobody reads in prv', () => {
    const [one] = good()
    const prv = sha256(one)
    const spoilt = prv.slice(0, -1) + after(prv.at(-1)!)
    expect(verdict({ tokens: [one, forgeToken(b!, B, C, one, { prv: spoilt })] })).toBe(
      'chain-malformed',
    )
  })
})

describe('times:', () => {
  const expired = { iat: NOW_SECONDS - 121, exp: NOW_SECONDS - 1 }

  test.each<[string, Forgery, Forgery, string]>([
    ['both expired by 1 s', expired, expired, 'chain-expired'],
    ['the token of A expired, that of B is fresh', expired, {}, 'chain-expired'],
    ['a token ends now', {}, { exp: NOW_SECONDS }, 'chain-expired'],
    ['a token ends in 1 s', {}, { exp: NOW_SECONDS + 1 }, 'accepted'],
    ['iat is 30 s ahead', {}, { iat: NOW_SECONDS + 30 }, 'accepted'],
    ['iat is 31 s ahead', {}, { iat: NOW_SECONDS + 31 }, 'chain-not-yet-valid'],
    ['it lives for 300 s', {}, { exp: NOW_SECONDS + 300 }, 'accepted'],
    ['it lives for 301 s', {}, { exp: NOW_SECONDS + 301 }, 'chain-lifetime'],
    ['it lives for a day', { exp: NOW_SECONDS + 86_400 }, {}, 'chain-lifetime'],
    ['exp is before iat', {}, { iat: NOW_SECONDS + 20, exp: NOW_SECONDS + 10 }, 'chain-lifetime'],
  ])('%s', (_, first, second, code) => {
    expect(verdict({ tokens: good(first, second) })).toBe(code)
  })

  test('a chain that is known ends when its token does', () => {
    let now = NOW
    const to = new Chains({ source, clock: () => now })
    const tokens = good()
    expect(verdict({ tokens, to })).toBe('accepted')
    now = NOW + 119_999
    expect(verdict({ tokens, to })).toBe('accepted')
    now = NOW + 120_000
    expect(verdict({ tokens, to })).toBe('chain-expired')
    now = NOW - 30_001
    expect(verdict({ tokens, to })).toBe('chain-not-yet-valid')
    now = Number.NaN
    expect(verdict({ tokens, to })).toBe('chain-not-yet-valid')
  })
})

describe('certificates:', () => {
  test('that of a hop is left out, also when it is known', () => {
    const tokens = good()
    expect(verdict({ tokens })).toBe('accepted')
    for (const certificates of [certificatesField(a!), certificatesField(b!)]) {
      expect(verdict({ tokens, certificates })).toBe('chain-certificate-missing')
    }
  })

  test('the origin is of a trust domain without a bundle', async () => {
    const id = 'spiffe://partner.test/web'
    const foreign = await mint(partner, id)
    const one = forgeToken(foreign, id, B, null)
    const presented = {
      tokens: [one, forgeToken(b!, B, C, one)],
      certificates: certificatesField(foreign, b!),
    }
    expect(verdict(presented)).toBe('chain-certificate:unknown-trust-domain')
    const bundles = bundlesOf(domain, partner)
    const to = new Chains({ source: new HeldSource(svidOf(c!), bundles), clock: () => NOW })
    expect(verdict({ ...presented, to })).toBe('accepted')
  })

  test('the authority of another trust domain has issued one for A', async () => {
    const forged = await partner.root.mint(A, VALIDITY)
    const one = forgeToken(forged, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    const to = new Chains({
      source: new HeldSource(svidOf(c!), bundlesOf(domain, partner)),
      clock: () => NOW,
    })
    expect(verdict({ tokens, certificates: certificatesField(forged, b!), to })).toBe(
      'chain-certificate:no-path',
    )
  })

  test('the SVID has expired, and the token is fresh', async () => {
    const old = await mint(domain, A, { notAfter: NOW - 1000 })
    const one = forgeToken(old, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    expect(verdict({ tokens, certificates: certificatesField(old, b!) })).toBe(
      'chain-certificate:expired',
    )
  })

  test('the key of a CA has signed', async () => {
    const ca = await mint(domain, A, { ca: true, keyUsage: ['digitalSignature', 'keyCertSign'] })
    const one = forgeToken(ca, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    expect(verdict({ tokens, certificates: certificatesField(ca, b!) })).toBe(
      'chain-certificate:leaf-is-ca',
    )
  })

  test('there are octets behind the DER', () => {
    const [der] = a!.chain
    const longer = `:${Buffer.concat([der!, Buffer.from([0])]).toString('base64')}:`
    for (const certificates of [
      certificatesField(b!).concat(', ', longer),
      certificatesField(a!, b!).concat(', ', longer),
    ]) {
      expect(verdict({ tokens: good(), certificates })).toBe('chain-malformed')
    }
  })

  test('the octets are DER of something else', async () => {
    // Not known before: what is sent beside a certificate that is known is not looked at.
    const fresh = await mint(domain, A)
    const one = forgeToken(fresh, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    const junk = `:${Buffer.concat([Buffer.from([0x30, 0x81, 0x80]), Buffer.alloc(128)]).toString('base64')}:`
    const certificates = certificatesField(fresh, b!).concat(', ', junk)
    expect(verdict({ tokens, certificates })).toBe('chain-certificate:malformed')
  })

  test('the authority left the bundle after the verdict was remembered', () => {
    const held = new HeldSource(svidOf(c!), bundlesOf(domain))
    const to = new Chains({ source: held, clock: () => NOW })
    const tokens = good()
    expect(verdict({ tokens, to })).toBe('accepted')
    held.bundles = BundleSet.of(...bundlesOf(partner), ...otherBundle)
    expect(verdict({ tokens, to })).toBe('chain-certificate:no-path')
    held.bundles = BundleSet.empty
    expect(verdict({ tokens, to })).toBe('chain-certificate:unknown-trust-domain')
  })

  let otherBundle: BundleSet
  beforeAll(async () => {
    otherBundle = bundlesOf(await makeDomain())
  })

  test('an SVID ends after the verdict was remembered', async () => {
    let now = NOW
    const to = new Chains({ source, clock: () => now })
    const brief = await mint(domain, A, { notAfter: NOW + 10_000 })
    const one = forgeToken(brief, A, B, null)
    const presented = {
      tokens: [one, forgeToken(b!, B, C, one)],
      certificates: certificatesField(brief, b!),
      to,
    }
    expect(verdict(presented)).toBe('accepted')
    now = NOW + 11_000
    expect(verdict(presented)).toBe('chain-certificate:expired')
  })

  test('six intermediates of one name with keys on P-521 buy no more work than the budget', async () => {
    const subject = 'C=US,O=SPIFFE,CN=many'
    const template = { ...VALIDITY, subject, keyType: 'ec-p521' } as const
    const many = await Promise.all(Array.from({ length: 6 }, () => domain.root.mintCa(template)))
    const leaf = await many[0]!.mint(A, {
      ...VALIDITY,
      keyType: 'ec-p256',
      corruptSignature: true,
    })
    const one = forgeToken(leaf, A, B, null)
    const tokens = [one, forgeToken(b!, B, C, one)]
    const others = many.map(({ der }) => `:${der.toString('base64')}:`)
    const own = certificatesField(b!).concat(`, :${leaf.chain[0]!.toString('base64')}:`)
    expect(verdict({ tokens, certificates: [own, ...others].join(', ') })).toBe(
      'chain-certificate:budget-exceeded',
    )
  })

  test('a revocation ends a chain that is known', async () => {
    const serialNumber = svidOf(a!).leaf.serialNumber
    const list = await domain.intermediate.mintRevocationList({
      revoked: [serialNumber],
      thisUpdate: NOW - 1000,
      nextUpdate: NOW + HOUR_MS,
    })
    const held = new HeldSource(svidOf(c!), bundlesOf(domain))
    const to = new Chains({ source: held, clock: () => NOW })
    const tokens = good()
    expect(verdict({ tokens, to })).toBe('accepted')
    held.bundles = withList(list)
    expect(verdict({ tokens, to })).toBe('chain-certificate:revoked')
  })
})

describe('the two fields:', () => {
  test('a call without them has no chain', () => {
    expect(verifyFields([], [])).toBe('none')
  })

  test('one of them is missing', () => {
    expect(verifyFields([good().join(',')], [])).toBe('chain-incomplete')
    expect(verifyFields([], [certificatesField(a!, b!)])).toBe('chain-incomplete')
  })

  test('one of them comes twice, with the same value too', () => {
    const [text, field] = [good().join(','), certificatesField(a!, b!)]
    expect(verifyFields([text, text], [field])).toBe('chain-duplicate')
    expect(verifyFields([text], [field, field])).toBe('chain-duplicate')
    expect(verifyFields([text, text], [])).toBe('chain-duplicate')
  })

  test('two lines were joined, or members are empty', () => {
    const [text, field] = [good().join(','), certificatesField(a!, b!)]
    for (const joined of [
      `${text}, ${text}`,
      `${text},`,
      `,${text}`,
      text.replace(',', ',,'),
      '',
    ]) {
      expect(verifyFields([joined], [field])).toBe('chain-malformed')
    }
    for (const joined of [
      `${field},`,
      field.replace(', ', ','),
      `${field}, `,
      '',
      `${field};a=1`,
    ]) {
      expect(verifyFields([text], [joined])).toBe('chain-malformed')
    }
  })

  test('base64 of a certificate is without padding, or of the URL alphabet', () => {
    const text = good().join(',')
    const der = Buffer.concat([a!.chain[0]!])
    const plain = der.toString('base64')
    expect(verifyFields([text], [`:${plain.slice(0, -1)}*:`])).toBe('chain-malformed')
    expect(verifyFields([text], [`:${plain}=:`])).toBe('chain-malformed')
    expect(verifyFields([text], [`:${plain.slice(0, -2)}-_:`])).toBe('chain-malformed')
  })

  test('a chain has five tokens', async () => {
    const e = await mint(domain, E)
    const hops = [a!, b!, c!, d!, e]
    const ids = [A, B, C, D, E, C]
    const tokens: string[] = []
    for (const [index, signer] of hops.entries()) {
      tokens.push(forgeToken(signer, ids[index]!, ids[index + 1]!, tokens.at(-1) ?? null))
    }
    expect(verdict({ tokens, certificates: certificatesField(...hops), peer: E })).toBe(
      'chain-too-deep',
    )
    const four = [...good(), '', '']
    four[2] = forgeToken(c!, C, D, four[1]!)
    four[3] = forgeToken(d!, D, C, four[2])
    const certificates = certificatesField(a!, b!, c!, d!)
    expect(verdict({ tokens: four, certificates, peer: D })).toBe('accepted')
  })

  test('they are too large: 100 KB of tokens, 13 certificates, 8 KB of certificates', () => {
    const [text, field] = [good().join(','), certificatesField(a!, b!)]
    expect(verifyFields([`${text},`.repeat(100)], [field])).toBe('chain-too-large')
    const small = ':AAAA:'
    expect(verifyFields([text], [Array(13).fill(small).join(', ')])).toBe('chain-too-large')
    expect(verifyFields([text], [`:${'A'.repeat(7200)}:`])).toBe('chain-too-large')
  })
})
