import type { CallChain } from '@fastify-spiffe/plugin-kit'
import { Certificate, SpiffeError, type SpiffeId } from '@fastify-spiffe/spiffe'
import { CertificateVerifier, TlsError, type VerifiedCertificate } from '@fastify-spiffe/tls'
import { ChainError } from '../errors.ts'
import { isListed } from '../matchers.ts'
import { reader } from '../options.ts'
import { thumbprintOf } from '../wire/token.ts'
import { readClientCert } from './client-cert.ts'
import { ForwardedChain } from './forwarded-chain.ts'
import { readProxies, type ForwardedOptions, type Proxy } from './options.ts'
import { refuseForwarded, type ForwardedRefusal } from '../refusal.ts'
import { readXfcc, type ForwardedClient } from './xfcc.ts'

/** The client, `null` where none is forwarded or the peer is no listed proxy, or a refusal. */
export type ForwardedVerification =
  | { readonly ok: true; readonly chain: CallChain | null }
  | ForwardedRefusal

/** Finds the lines of a header, by its lower-case name. */
export type HeaderLines = (name: string) => readonly string[]

const NAMES: readonly (keyof ForwardedOptions)[] = [
  'source',
  'proxies',
  'revocation',
  'clockSkewMs',
  'clock',
]
const CHAIN = 'client-cert-chain'
const MAX_OCTETS = 16 * 1024
const NONE: ForwardedVerification = Object.freeze({ ok: true, chain: null })

/** Verifies the clients that listed proxies forward. Synchronous. */
export class ForwardedVerifier {
  readonly #proxies: ReadonlyMap<string, Proxy>
  readonly #certificates: CertificateVerifier
  readonly #clock: () => number

  /** @throws {@link ChainError} `unknown-option`, `invalid-option` */
  constructor(options: ForwardedOptions) {
    reader.assertKnown('forwarded', options, NAMES)
    const { proxies, clock, ...rules } = options
    this.#proxies = readProxies(proxies)
    this.#clock = reader.asFunction('clock', clock, Date.now)
    this.#certificates = verifierOf(rules)
  }

  /** @param peer - the verified peer of the connection; of any that is not listed no header is read */
  verify(lines: HeaderLines, peer: SpiffeId | null): ForwardedVerification {
    const proxy = peer === null ? undefined : this.#proxies.get(peer.toString())
    if (peer === null || proxy === undefined) return NONE
    const client = clientOf(proxy, lines)
    if (client === null) return NONE
    if (typeof client === 'string') return refuseForwarded(client)
    if (client.by !== null && client.by !== proxy.by)
      return refuseForwarded('forwarded-by-mismatch')
    const verified = this.#verifyCertificates(client.certificates)
    return verified.ok ? judged(verified, client, proxy, peer) : verified
  }

  #verifyCertificates(ders: readonly Buffer[]): VerifiedCertificate | ForwardedRefusal {
    const [thumbprint, now] = [thumbprintOf(ders[0]!), this.#clock()]
    const known = this.#certificates.find(thumbprint, now)
    if (known !== undefined) return known
    const chain = readChain(ders)
    if (chain === null) return refuseForwarded('forwarded-certificate:malformed')
    const verdict = this.#certificates.verify(thumbprint, chain, now)
    return verdict.ok ? verdict : refuseForwarded(`forwarded-certificate:${verdict.code}`)
  }
}

function judged(
  verified: VerifiedCertificate,
  { uri }: ForwardedClient,
  { speaksFor }: Proxy,
  peer: SpiffeId,
): ForwardedVerification {
  const { spiffeId } = verified
  if (uri !== null && uri !== spiffeId.toString()) return refuseForwarded('forwarded-uri-mismatch')
  if (!isListed(speaksFor, spiffeId)) {
    return refuseForwarded('forwarded-not-spoken-for')
  }
  return Object.freeze({ ok: true, chain: new ForwardedChain(verified, peer) })
}

/** What the one header of a proxy says; `null`: it did not come. */
function clientOf(
  { header }: Proxy,
  linesOf: HeaderLines,
): ForwardedClient | ForwardedRefusal['code'] | null {
  const lines = linesOf(header)
  const chain = header === 'client-cert' ? linesOf(CHAIN) : []
  if (lines.length + chain.length === 0) return null
  if (lines.length > 1 || chain.length > 1) return 'forwarded-duplicate'
  if ([...lines, ...chain].join('').length > MAX_OCTETS) return 'forwarded-too-large'
  return header === 'client-cert' ? readClientCert(lines[0], chain[0]) : readXfcc(lines[0]!)
}

function readChain(ders: readonly Buffer[]): readonly Certificate[] | null {
  try {
    return ders.map((der) => Certificate.fromDer(der))
  } catch (error) {
    if (error instanceof SpiffeError) return null
    throw error
  }
}

function verifierOf(
  rules: Pick<ForwardedOptions, 'source' | 'revocation' | 'clockSkewMs'>,
): CertificateVerifier {
  try {
    return new CertificateVerifier(rules)
  } catch (cause) {
    if (!(cause instanceof TlsError)) throw cause
    throw new ChainError('invalid-option', cause.message, { cause })
  }
}
