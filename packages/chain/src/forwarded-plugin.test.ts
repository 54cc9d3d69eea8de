import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { BundleSet, SpiffeId, X509Bundle } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { chain, Chains, forwarded, type ForwardedOptions } from './index.ts'
import { ForwardedVerifier } from './forwarded/forwarded-verifier.ts'
import { HeldSource, NOW, VALIDITY } from './scene.test.helper.ts'

const PROXY = 'spiffe://example.org/infra/gateway'
const ID = 'spiffe://example.org/acme/web'
const OTHER = 'spiffe://example.org/acme/other'
const FOREIGN = 'spiffe://partner.test/web'

interface Vector {
  readonly id: string
  readonly note: string
  readonly peer: string
  readonly header: 'x-forwarded-client-cert' | 'client-cert'
  readonly anchors: 'root' | 'intermediate'
  readonly headers: readonly (readonly [string, string])[]
  readonly expect: { readonly outcome: string; readonly identity?: string; readonly code?: string }
}

const vectors: readonly Vector[] = readFileSync(
  new URL('../fixtures/xfcc-vectors.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))

interface Realm {
  readonly root: MintedCa
  readonly intermediate: MintedCa
}

let [ours, theirs]: Realm[] = []
let material: ReadonlyMap<string, string>

async function realmOf(name: string): Promise<Realm> {
  const root = await mintRootCa(name, VALIDITY, { clock: () => NOW })
  return { root, intermediate: await root.mintCa(VALIDITY) }
}

/** A certificate whose base64 ends in `=`, and has characters that PEM in a header encodes. */
async function mintEncodable(
  realm: Realm,
  id: string,
  notAfter = VALIDITY.notAfter,
): Promise<MintedCertificate> {
  for (let attempt = 0; attempt < 100; attempt++) {
    // The length of a serial number decides how the base64 ends.
    const serialNumber = `4${'1'.repeat(1 + 2 * (attempt % 3))}${attempt.toString(16).padStart(2, '0')}`
    const template = { notBefore: VALIDITY.notBefore, notAfter, serialNumber }
    const minted = await realm.intermediate.mint(id, template)
    const base64 = minted.chain[0]!.toString('base64')
    if (base64.endsWith('=') && /[+/]/.test(base64)) return minted
  }
  throw new Error('no such certificate')
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function encode(text: string): string {
  return encodeURIComponent(text)
}

function hex(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex')
}

beforeAll(async () => {
  ;[ours, theirs] = [await realmOf('example.org'), await realmOf('partner.test')]
  const client = await mintEncodable(ours, ID)
  const foreign = await mintEncodable(theirs, FOREIGN)
  const expired = await mintEncodable(ours, ID, NOW - 1000)
  const [leaf] = client.chain
  const base64 = leaf!.toString('base64')
  const filled = new Map<string, string>([
    ['ID', ID],
    ['PROXY', PROXY],
    ['OTHER', OTHER],
    ['INT', ours.intermediate.der.toString('base64')],
    ['PEMRAW', pem(leaf!).replaceAll('\n', '%0A').replaceAll(' ', '%20')],
    ['PEM41', encode(pem(leaf!)).replace('A', '%41')],
    ['PEMLOW', encode(pem(leaf!)).replaceAll('%0A', '%0a')],
    ['HASHUP', hex(leaf!).toUpperCase()],
    ['DERURL', base64.replaceAll('+', '-').replaceAll('/', '_')],
    ['DERNOPAD', base64.replaceAll('=', '')],
    ['DERTAIL', Buffer.concat([leaf!, Buffer.from([0])]).toString('base64')],
    ['17K', 'x'.repeat(17 * 1024)],
  ])
  for (const [suffix, { chain: ders }] of [
    ['', client],
    ['F', foreign],
    ['X', expired],
  ] as const) {
    filled.set(`PEM${suffix}`, encode(pem(ders[0]!)))
    filled.set(`CHAINPEM${suffix}`, encode(ders.map(pem).join('')))
    filled.set(`DER${suffix}`, ders[0]!.toString('base64'))
    filled.set(`HASH${suffix}`, hex(ders[0]!))
  }
  material = filled
})

function fill(text: string): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => material.get(name) ?? `?${name}?`)
}

function bundles(anchors: Vector['anchors']): BundleSet {
  return BundleSet.of(
    ...[ours!, theirs!].map(({ root, intermediate }) =>
      X509Bundle.of(
        root.trustDomain,
        anchors === 'root' ? [root.certificate] : [root.certificate, intermediate.certificate],
      ),
    ),
  )
}

function optionsFor(vector: Pick<Vector, 'header' | 'anchors'>): ForwardedOptions {
  return {
    source: new HeldSource(null, bundles(vector.anchors)),
    proxies: [{ id: PROXY, header: vector.header, speaksFor: ['spiffe://example.org/**'] }],
    clock: () => NOW,
  }
}

/** As a server counts the lines: names in lower case, values as they came. */
function outcomeOf(vector: Vector): Vector['expect'] {
  const headers = vector.headers.map(([name, value]) => [name.toLowerCase(), fill(value)] as const)
  const peerId = SpiffeId.parse(fill(vector.peer))
  const verification = new ForwardedVerifier(optionsFor(vector)).verify(
    (name) => headers.flatMap(([other, value]) => (other === name ? [value] : [])),
    peerId,
  )
  if (!verification.ok) return { outcome: 'refused', code: verification.code }
  if (verification.chain !== null) {
    return { outcome: 'identity', identity: verification.chain.origin.toString() }
  }
  const isListed = peerId.toString() === PROXY
  return isListed ? { outcome: 'none' } : { outcome: 'ignored', identity: peerId.toString() }
}

/** An otherwise good call with this `X-Forwarded-Client-Cert`. */
function withXfcc(value: string): Vector {
  return {
    id: '',
    note: '',
    peer: PROXY,
    header: 'x-forwarded-client-cert',
    anchors: 'intermediate',
    headers: [['x-forwarded-client-cert', value]],
    expect: { outcome: '' },
  }
}

/** The code of a proxy that writes `Client-Cert`. */
function codeOfClientCert(headers: Vector['headers']): string | undefined {
  return outcomeOf({ ...withXfcc(''), header: 'client-cert', headers }).code
}

describe('a forwarded client', () => {
  test.each(vectors.map((vector) => [vector.id, vector.note, vector] as const))(
    '%s: %s',
    (_id, _note, vector) => {
      const { identity, ...expected } = vector.expect
      expect(outcomeOf(vector)).toEqual({
        ...expected,
        ...(identity !== undefined && { identity: fill(identity) }),
      })
    },
  )

  test.each([
    ['a hash in upper case', 'Hash={{HASHUP}};Cert="{{PEM}}"', 'forwarded-malformed'],
    ['PEM with + / = as they are', 'Hash={{HASH}};Cert="{{PEMRAW}}"', 'forwarded-malformed'],
    ['17 KiB', 'Hash={{HASH}};Cert="{{PEM}}";DNS={{17K}}', 'forwarded-too-large'],
    ['neither Cert nor Chain', 'Hash={{HASH}};URI={{ID}}', 'forwarded-no-certificate'],
    ['a key twice', 'Hash={{HASH}};hash={{HASH}};Cert="{{PEM}}"', 'forwarded-malformed'],
    ['an empty URI', 'Hash={{HASH}};Cert="{{PEM}}";URI=', 'forwarded-uri-mismatch'],
    ['two elements', 'Hash={{HASH}};Cert="{{PEM}}",Hash={{HASH}}', 'forwarded-several'],
    ['nothing', '', 'forwarded-malformed'],
    ['a tab', 'Hash={{HASH}};\tCert="{{PEM}}"', 'forwarded-malformed'],
  ])('with %s is refused', (_, value, code) => {
    expect(outcomeOf(withXfcc(value))).toEqual({ outcome: 'refused', code })
  })

  test('is refused with octets behind the DER, as one of two headers is without the other, or twice', () => {
    expect(codeOfClientCert([['client-cert', ':{{DERTAIL}}:']])).toBe('forwarded-malformed')
    const chained = ['client-cert-chain', ':{{INT}}:'] as const
    expect(codeOfClientCert([['client-cert', ':{{DER}}:'], chained, chained])).toBe(
      'forwarded-duplicate',
    )
    expect(codeOfClientCert([['x-forwarded-client-cert', 'Hash={{HASH}};Cert="{{PEM}}"']])).toBe(
      undefined,
    )
  })

  test('has text that is quoted and escaped, which decides nothing', () => {
    const value = 'Hash={{HASH}};Subject="CN=a\\"\\,;URI=spiffe://example.org/x";Cert="{{PEM}}"'
    expect(outcomeOf(withXfcc(value))).toEqual({ outcome: 'identity', identity: ID })
  })

  test('ends when its authority leaves the bundle, although it is known', () => {
    const options = optionsFor({ header: 'client-cert', anchors: 'intermediate' })
    const source = options.source as HeldSource
    const verifier = new ForwardedVerifier(options)
    const verify = () =>
      verifier.verify(
        (name) => (name === 'client-cert' ? [fill(':{{DER}}:')] : []),
        SpiffeId.parse(PROXY),
      )
    expect(verify()).toMatchObject({ ok: true, chain: { evidence: 'forwarded', depth: 2 } })
    source.bundles = BundleSet.empty
    expect(verify()).toEqual({ ok: false, code: 'forwarded-certificate:unknown-trust-domain' })
  })
})

describe('the plugin forwarded', () => {
  const xfcc = 'Hash={{HASH}};Cert="{{PEM}}"'

  test('makes the client the origin and leaves the proxy the caller; who is not listed is not read', async () => {
    await using app = Fastify()
    await app.register(peer)
    await app.register(
      forwarded,
      optionsFor({ header: 'x-forwarded-client-cert', anchors: 'intermediate' }),
    )
    app.get('/', ({ spiffeId, chain: found }) => ({ spiffeId, chain: found }))
    const options = { url: '/', headers: { 'x-forwarded-client-cert': fill(xfcc) } }
    const by = async (id: string) => (await injectAs(app, id, options)).json()
    expect(await by(PROXY)).toMatchObject({
      spiffeId: PROXY,
      chain: { origin: ID, via: [], caller: PROXY, evidence: 'forwarded' },
    })
    expect(await by(OTHER)).toEqual({ spiffeId: OTHER, chain: null })
    const bad = { url: '/', headers: { 'x-forwarded-client-cert': 'Hash=1' } }
    expect((await injectAs(app, PROXY, bad)).statusCode).toBe(401)
    expect((await injectAs(app, OTHER, bad)).statusCode).toBe(200)
  })

  test('goes with chain: the next hop begins anew, and a proxy that also signs is refused', async () => {
    const source = new HeldSource(
      (await ours!.intermediate.mint(OTHER, VALIDITY)).toX509Svid({ clock: () => NOW }),
      bundles('root'),
    )
    await using app = Fastify()
    await app.register(peer)
    await app.register(chain, { source, handTo: [PROXY], clock: () => NOW })
    await app.register(forwarded, {
      ...optionsFor({ header: 'x-forwarded-client-cert', anchors: 'intermediate' }),
      source: new HeldSource(null, bundles('intermediate')),
    })
    app.get('/', (request) => [
      request.chain?.evidence,
      request.chainHeaders(PROXY)['svid-chain'].split(',').length,
    ])
    const headers = { 'x-forwarded-client-cert': fill(xfcc) }
    expect((await injectAs(app, PROXY, { url: '/', headers })).json()).toEqual(['forwarded', 1])
    const proxy = new HeldSource(
      (await ours!.intermediate.mint(PROXY, VALIDITY)).toX509Svid({ clock: () => NOW }),
      bundles('root'),
    )
    const signed = new Chains({ source: proxy, handTo: [OTHER], clock: () => NOW })
    const both = { ...headers, ...signed.headersFor(OTHER, null) }
    expect((await injectAs(app, PROXY, { url: '/', headers: both })).statusCode).toBe(401)
  })

  test.each<[string, object]>([
    ['unknown-option', { proxy: [] }],
    ['invalid-option', { proxies: [] }],
    [
      'invalid-option',
      { proxies: [{ id: 'spiffe://example.org', header: 'client-cert', speaksFor: [ID] }] },
    ],
    ['invalid-option', { proxies: [{ id: PROXY, header: 'x-client-cert', speaksFor: [ID] }] }],
    ['invalid-option', { proxies: [{ id: PROXY, header: 'client-cert', speaksFor: [] }] }],
    [
      'unknown-option',
      { proxies: [{ id: PROXY, header: 'client-cert', speaksFor: [ID], trust: 1 }] },
    ],
    [
      'invalid-option',
      { proxies: [PROXY, PROXY].map((id) => ({ id, header: 'client-cert', speaksFor: [ID] })) },
    ],
  ])('does not start, with the code %s, for %j', (code, options) => {
    const base = optionsFor({ header: 'client-cert', anchors: 'root' })
    expect(() => new ForwardedVerifier({ ...base, ...options })).toThrow(
      expect.objectContaining({ code }),
    )
  })

  test('is registered once, before authz and after chain', async () => {
    const options = optionsFor({ header: 'client-cert', anchors: 'root' })
    const register = async (app: ReturnType<typeof Fastify>): Promise<void> => {
      await app.register(forwarded, options)
    }
    await using twice = Fastify()
    await twice.register(peer)
    await register(twice)
    await expect(register(twice)).rejects.toMatchObject({ code: 'already-registered' })
    await using before = Fastify()
    await before.register(peer)
    await register(before)
    const source = new HeldSource(null, BundleSet.empty)
    await expect((async () => before.register(chain, { source }))()).rejects.toMatchObject({
      code: 'registered-late',
    })
    await using late = Fastify()
    await late.register(peer)
    late.decorate('authz', {})
    await expect(register(late)).rejects.toMatchObject({ code: 'registered-late' })
  })
})
