import { randomBytes } from 'node:crypto'
import type { CallChain } from '@fastify-spiffe/plugin-kit'
import type {
  MatcherInput,
  SpiffeId,
  SpiffeIdMatcher,
  X509Svid,
  X509SvidSource,
} from '@fastify-spiffe/spiffe'
import { SignedChain, type VerifiedHop } from '../call-chain.ts'
import { ChainError } from '../errors.ts'
import { CERTIFICATES_HEADER, CHAIN_HEADER, writeCertificates } from '../wire/headers.ts'
import {
  MAX_CERTIFICATE_OCTETS,
  MAX_CERTIFICATES,
  MAX_CHAIN_OCTETS,
  MAX_DEPTH,
  MAX_RELAYED_LIFETIME_SECONDS,
} from '../wire/limits.ts'
import { assertRequestHash, type RelayedRequest } from '../wire/request-hash.ts'
import { thumbprintOf, tokenHash, writeSigningInput, type SingleUseClaims } from '../wire/token.ts'
import { readAudience, readHandTo } from './hand-to.ts'

/** The two headers of a call, or the two entries of its gRPC metadata. Frozen. */
export interface ChainHeaders {
  readonly [CHAIN_HEADER]: string
  readonly [CERTIFICATES_HEADER]: string
}

/** What {@link ChainSender} is made of. */
export interface ChainSenderParts {
  readonly source: X509SvidSource
  readonly handTo: readonly MatcherInput[]
  readonly clock: () => number
  /** How long a token lives, in milliseconds. */
  readonly tokenLifetimeMs: number
}

interface Sent {
  readonly headers: ChainHeaders
  readonly svid: X509Svid
  /** Of the token, not of the tokens before it. Milliseconds since the epoch. */
  readonly signedAt: number
  readonly reusableUntil: number
}

/** What ends sooner could end before it arrives. */
const MIN_REMAINING_MS = 5000
/** How many audiences are remembered for one chain. */
const MAX_AUDIENCES = 100

/** Signs tokens for the next hop, and reuses each for half of its life. */
export class ChainSender {
  readonly #source: X509SvidSource
  readonly #handTo: readonly SpiffeIdMatcher[]
  readonly #clock: () => number
  readonly #lifetimeMs: number
  readonly #ofOrigin = new Map<string, Sent>()
  readonly #continuing = new WeakMap<SignedChain, Map<string, Sent>>()

  /** @throws {@link ChainError} `invalid-option` */
  constructor({ source, handTo, clock, tokenLifetimeMs }: ChainSenderParts) {
    this.#source = source
    this.#handTo = readHandTo(handTo)
    this.#clock = clock
    this.#lifetimeMs = tokenLifetimeMs
  }

  /**
   * Returns the headers of a call to `audience`. With a signed chain they continue it; without one, or with one that a proxy
   * forwarded, they begin one of which this service is the origin. With a request they are for it alone, and made anew each time.
   *
   * @throws {@link ChainError} rather than returning the headers of a weaker chain
   */
  headersFor(
    audience: SpiffeId | string,
    chain: CallChain | null,
    request?: RelayedRequest,
  ): ChainHeaders {
    const inbound = signedChainOf(chain)
    if (request !== undefined) return this.#headersOnce(audience, inbound, request)
    const known = this.#sentFor(inbound)
    const sent = known.get(audience.toString())
    const [now, svid] = [this.#clock(), this.#source.svid]
    if (inbound !== null) assertHolds(inbound, now)
    if (sent !== undefined && sent.svid === svid && isReusable(sent, now)) return sent.headers
    const next = this.#readAudience(audience)
    const fresh = sign(next, { svid, inbound, now, lifetimeMs: this.#lifetimeMs, singleUse: null })
    remember(known, next.toString(), fresh)
    return fresh.headers
  }

  #headersOnce(
    audience: SpiffeId | string,
    inbound: SignedChain | null,
    request: RelayedRequest,
  ): ChainHeaders {
    const singleUse = {
      jti: randomBytes(16).toString('base64url'),
      req: assertRequestHash(request),
    }
    const now = this.#clock()
    if (inbound !== null) assertHolds(inbound, now)
    const lifetimeMs = Math.min(this.#lifetimeMs, MAX_RELAYED_LIFETIME_SECONDS * 1000)
    const signing = { svid: this.#source.svid, inbound, now, lifetimeMs, singleUse }
    return sign(this.#readAudience(audience), signing).headers
  }

  #readAudience(audience: SpiffeId | string): SpiffeId {
    const next = readAudience(audience)
    this.#assertHandedTo(next)
    return next
  }

  #sentFor(inbound: SignedChain | null): Map<string, Sent> {
    if (inbound === null) return this.#ofOrigin
    const known = this.#continuing.get(inbound) ?? new Map<string, Sent>()
    this.#continuing.set(inbound, known)
    return known
  }

  #assertHandedTo(audience: SpiffeId): void {
    if (this.#handTo.some((matcher) => matcher.capture(audience) !== null)) return
    const message = `handTo does not name ${audience.toString()}, who could then act for this service`
    throw new ChainError('not-handed-to', message)
  }
}

function remember(known: Map<string, Sent>, audience: string, sent: Sent): void {
  known.delete(audience)
  for (const oldest of known.keys()) {
    if (known.size < MAX_AUDIENCES) break
    known.delete(oldest)
  }
  known.set(audience, sent)
}

/** A copy of a chain has none of its tokens: without them the headers would be those of a weaker chain. */
function signedChainOf(chain: CallChain | null): SignedChain | null {
  if (chain === null || SignedChain.is(chain)) return chain
  if (chain.evidence === 'forwarded') return null
  throw new ChainError('invalid-chain', 'the chain must be the very object that was verified')
}

/** Written so that a clock which was set back, or gives NaN, signs anew. */
function isReusable({ signedAt, reusableUntil }: Sent, now: number): boolean {
  return signedAt <= now && now < reusableUntil
}

function assertHolds(inbound: SignedChain, now: number): void {
  const hops = SignedChain.hopsOf(inbound)
  const isTrusted = hops.every(({ certificate }) => certificate.isCurrent(now))
  if (isTrusted && now + MIN_REMAINING_MS < inbound.validUntil) return
  throw new ChainError('chain-expired', 'the chain of the call has ended, or ends within seconds')
}

interface Signing {
  readonly svid: X509Svid | null
  readonly inbound: SignedChain | null
  readonly now: number
  readonly lifetimeMs: number
  readonly singleUse: SingleUseClaims | null
}

function sign(audience: SpiffeId, { svid, inbound, now, lifetimeMs, singleUse }: Signing): Sent {
  const hops = inbound === null ? [] : SignedChain.hopsOf(inbound)
  const signer = assertSigner(svid, hops)
  const algorithm = signer.jwsAlgorithm
  if (algorithm === null) {
    throw new ChainError('key-unsupported', 'the key of the SVID is neither on P-256 nor on P-384')
  }
  if (hops.length >= MAX_DEPTH) {
    throw new ChainError('chain-too-deep', `the chain has ${MAX_DEPTH} hops already`)
  }
  const iat = Math.floor(now / 1000)
  const exp = Math.min(iat + Math.floor(lifetimeMs / 1000), Math.floor(signer.notAfter / 1000))
  if (!(now + MIN_REMAINING_MS < exp * 1000)) {
    throw new ChainError('no-svid', 'the SVID ends within seconds')
  }
  const before = hops.at(-1)
  const prv = before === undefined ? null : tokenHash(before.text)
  const claims = { sub: signer.spiffeId, aud: audience, iat, exp, prv, singleUse }
  const input = writeSigningInput(algorithm, thumbprintOf(signer.leaf.raw), claims)
  const signature = signer.sign(Buffer.from(input, 'latin1')).toString('base64url')
  const headers = writeHeaders(hops, `${input}.${signature}`, signer)
  return { headers, svid: signer, signedAt: now, reusableUntil: (now + exp * 1000) / 2 }
}

function assertSigner(svid: X509Svid | null, hops: readonly VerifiedHop[]): X509Svid {
  if (svid === null) throw new ChainError('no-svid', 'there is no SVID to sign with')
  const before = hops.at(-1)
  if (before === undefined || before.aud.equals(svid.spiffeId)) return svid
  throw new ChainError('no-svid', 'the SVID has another SPIFFE ID than the one that was called')
}

function writeHeaders(hops: readonly VerifiedHop[], token: string, signer: X509Svid): ChainHeaders {
  const chain = [...hops.map(({ text }) => text), token].join(',')
  const certificates = certificatesOf(hops, signer)
  const field = writeCertificates(certificates)
  const isTooLarge = chain.length > MAX_CHAIN_OCTETS || field.length > MAX_CERTIFICATE_OCTETS
  if (isTooLarge || certificates.length > MAX_CERTIFICATES) {
    throw new ChainError('chain-too-large', 'the headers would be larger than receivers accept')
  }
  return Object.freeze({ [CHAIN_HEADER]: chain, [CERTIFICATES_HEADER]: field })
}

/** Of verified paths alone, each once: what else was sent does not travel on. Authorities are left out. */
function certificatesOf(hops: readonly VerifiedHop[], signer: X509Svid): readonly Buffer[] {
  const own = signer.certificates.filter((each, index) => index === 0 || !each.isSelfIssued)
  const all = [...hops.flatMap(({ certificate }) => certificate.path), ...own.map(({ raw }) => raw)]
  return [...new Map(all.map((der) => [thumbprintOf(der), der])).values()]
}
