import { createHash, sign } from 'node:crypto'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import {
  BundleSet,
  X509Bundle,
  type SourceState,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import type { ConnectionPeer } from '@fastify-spiffe/tls'
import { Chains, type ChainsOptions } from './chains.ts'

// Long ago, and a whole second: the clock of the machine must have no say.
export const NOW: number = Date.parse('2001-02-03T04:05:06Z')
export const NOW_SECONDS: number = NOW / 1000
export const HOUR_MS = 3_600_000
export const VALIDITY: { readonly notBefore: number; readonly notAfter: number } = {
  notBefore: NOW - HOUR_MS,
  notAfter: NOW + 24 * HOUR_MS,
}

export const A = 'spiffe://example.org/acme/web'
export const B = 'spiffe://example.org/acme/checkout'
export const C = 'spiffe://example.org/acme/ledger'
export const D = 'spiffe://example.org/acme/audit'
export const E = 'spiffe://example.org/acme/vault'

/** A source that holds what the test puts in. */
export class HeldSource implements X509MaterialSource {
  readonly #updates = new Updates()
  readonly state: SourceState = 'ready'
  svid: X509Svid | null
  bundles: BundleSet

  constructor(svid: X509Svid | null, bundles: BundleSet) {
    this.svid = svid
    this.bundles = bundles
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(): Promise<void> {
    return this.#updates.nextUpdate()
  }

  async close(): Promise<void> {
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A root, an intermediate below it, and what they issue. */
export interface Domain {
  readonly root: MintedCa
  readonly intermediate: MintedCa
}

export async function makeDomain(name = 'example.org'): Promise<Domain> {
  const root = await mintRootCa(name, VALIDITY, { clock: () => NOW })
  return { root, intermediate: await root.mintCa(VALIDITY) }
}

export function bundlesOf(...domains: readonly Domain[]): BundleSet {
  return BundleSet.of(
    ...domains.map(({ root }) => X509Bundle.of(root.trustDomain, [root.certificate])),
  )
}

export function mint(
  { intermediate }: Domain,
  id: string,
  template: Parameters<MintedCa['mint']>[1] = {},
): Promise<MintedCertificate> {
  return intermediate.mint(id, { ...VALIDITY, ...template })
}

export function svidOf(minted: MintedCertificate): X509Svid {
  return minted.toX509Svid({ clock: () => NOW })
}

/** A service with its chains, whose clock the test sets. */
export interface Service {
  readonly source: HeldSource
  readonly chains: Chains
  now: number
}

export function serviceWith(
  minted: MintedCertificate,
  domain: Domain,
  options: Partial<ChainsOptions>,
): Service {
  const source = new HeldSource(svidOf(minted), bundlesOf(domain))
  const service: Service = {
    source,
    now: NOW,
    chains: new Chains({ source, clock: () => service.now, ...options }),
  }
  return service
}

/** A peer as a handshake binds it. */
export function peerNamed(id: string): ConnectionPeer {
  const peer = presentPeer({}, { spiffeId: id, notAfter: NOW + HOUR_MS })
  if (peer === null) throw new Error('no peer')
  return peer
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('base64url')
}

/** How a forged token differs from a good one. */
export interface Forgery {
  readonly header?: string
  readonly payload?: string
  readonly iat?: number
  readonly exp?: number
  readonly prv?: string | null
  readonly sub?: string
  readonly typ?: string
  readonly alg?: string
  readonly key?: MintedCertificate
  readonly dsaEncoding?: 'der' | 'ieee-p1363'
  readonly signature?: Buffer
  readonly singleUse?: { readonly jti?: string; readonly req?: string }
  readonly hash?: string
}

/** Writes a token by hand, independently of the package: by `signer`, for `aud`, after `before`. */
export function forgeToken(
  signer: MintedCertificate,
  sub: string,
  aud: string,
  before: string | null,
  forgery: Forgery = {},
): string {
  const header = forgery.header ?? headerOf(signer, forgery)
  const prv = forgery.prv === undefined ? before && sha256(before) : forgery.prv
  const payload = forgery.payload ?? payloadOf(forgery.sub ?? sub, aud, prv, forgery)
  const input = [header, payload].map((json) => Buffer.from(json).toString('base64url')).join('.')
  const signature = forgery.signature ?? signatureOf(input, forgery.key ?? signer, forgery)
  return `${input}.${signature.toString('base64url')}`
}

function headerOf({ chain }: MintedCertificate, { alg = 'ES256', typ = 'svid-hop+jwt' }: Forgery) {
  return `{"alg":"${alg}","typ":"${typ}","x5t#S256":"${sha256(chain[0]!)}"}`
}

function payloadOf(
  sub: string,
  aud: string,
  prv: string | null,
  { iat = NOW_SECONDS, exp = NOW_SECONDS + 120, singleUse: { jti, req } = {} }: Forgery,
): string {
  const link = prv === null ? '' : `,"prv":"${prv}"`
  const once = [jti && `,"jti":"${jti}"`, req && `,"req":"${req}"`].filter(Boolean).join('')
  return `{"sub":"${sub}","aud":"${aud}","iat":${iat},"exp":${exp}${link}${once}}`
}

function signatureOf(
  input: string,
  { keyPair }: MintedCertificate,
  { hash = 'sha256', dsaEncoding = 'ieee-p1363' }: Forgery,
): Buffer {
  return sign(hash, Buffer.from(input), { key: keyPair.privateKey, dsaEncoding })
}

export function certificatesField(...minted: readonly MintedCertificate[]): string {
  const ders = new Map(minted.flatMap(({ chain }) => chain).map((der) => [sha256(der), der]))
  return [...ders.values()].map((der) => `:${der.toString('base64')}:`).join(', ')
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The same token with (r, n - s) in place of (r, s), which is as good a signature. */
export function malleated(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const octets = Buffer.from(signature, 'base64url')
  const s = BigInt(`0x${octets.subarray(32).toString('hex')}`)
  const other = Buffer.from((P256_ORDER - s).toString(16).padStart(64, '0'), 'hex')
  return [
    header,
    payload,
    Buffer.concat([octets.subarray(0, 32), other]).toString('base64url'),
  ].join('.')
}
