import { hash } from 'node:crypto'
import { SpiffeId, type JwsAlgorithm } from '@fastify-spiffe/spiffe'
import { decodeBase64Url } from '@fastify-spiffe/spiffe/internal'

/** What one hop says: `sub` made the call, `aud` may act for it, until `exp`. */
export interface HopClaims {
  /** Who signs. */
  readonly sub: SpiffeId
  /** The next hop: the only one who may present the token, or continue it. */
  readonly aud: SpiffeId
  /** Seconds since the epoch. */
  readonly iat: number
  /** Seconds since the epoch, exclusive. */
  readonly exp: number
  /** {@link tokenHash} of the token that the signer was called with; `null` for the origin. */
  readonly prv: string | null
  /** For a request that passes a relay; `null`: only the signer itself presents the token. */
  readonly singleUse: SingleUseClaims | null
}

/** What makes a token one for a single request, whoever presents it. */
export interface SingleUseClaims {
  /** 16 random octets, base64url. */
  readonly jti: string
  /** `requestHash` of the request. */
  readonly req: string
}

/** A token as it was sent: nothing of it is proven. */
export interface HopToken {
  /** The token, as in the header. */
  readonly text: string
  /** What is signed. */
  readonly signingInput: string
  readonly signature: Buffer
  /** As the token names it. Which one is right follows from the key alone. */
  readonly alg: string
  /** SHA-256 of the signer's certificate, base64url (RFC 7515 §4.1.8). */
  readonly thumbprint: string
  readonly claims: HopClaims
}

const TYP = 'svid-hop+jwt'
const HEADER =
  /^\{"alg":"([\x21\x23-\x5b\x5d-\x7e]{1,16})","typ":"svid-hop\+jwt","x5t#S256":"([\w-]{43})"\}$/
const PAYLOAD =
  /^\{"sub":"([\x21\x23-\x5b\x5d-\x7e]+)","aud":"([\x21\x23-\x5b\x5d-\x7e]+)","iat":(0|[1-9]\d{0,11}),"exp":(0|[1-9]\d{0,11})(?:,"prv":"([\w-]{43})")?(?:,"jti":"([\w-]{22})","req":"([\w-]{43})")?\}$/

/** Writes what is signed (RFC 7515 §5.1): members in this order, without white space and escapes. */
export function writeSigningInput(
  alg: JwsAlgorithm,
  thumbprint: string,
  claims: HopClaims,
): string {
  const { sub, aud, iat, exp, prv, singleUse } = claims
  const header = JSON.stringify({ alg, typ: TYP, 'x5t#S256': thumbprint })
  const payload = JSON.stringify({
    sub: sub.toString(),
    aud: aud.toString(),
    iat,
    exp,
    ...(prv !== null && { prv }),
    ...(singleUse !== null && { jti: singleUse.jti, req: singleUse.req }),
  })
  return `${encode(header)}.${encode(payload)}`
}

/**
 * Reads one token. `null` unless it is octet for octet what {@link writeSigningInput} writes, but for the value of `alg`: there is
 * then no second way to read it.
 */
export function readToken(text: string): HopToken | null {
  const parts = text.split('.')
  const [header, payload, signature] = parts.map(decodeBase64Url)
  if (parts.length !== 3 || !header || !payload || !signature) return null
  // Octets beyond ASCII match neither expression.
  const [, alg, thumbprint] = HEADER.exec(header.toString('latin1')) ?? []
  const claims = readClaims(payload.toString('latin1'))
  if (alg === undefined || !isExact(thumbprint) || claims === null) return null
  const signingInput = text.slice(0, text.lastIndexOf('.'))
  return { text, signingInput, signature, alg, thumbprint, claims }
}

function readClaims(json: string): HopClaims | null {
  const [whole, sub, aud, iat, exp, prv, jti, req] = PAYLOAD.exec(json) ?? []
  if (whole === undefined) return null
  const [signer, next] = [readWorkload(sub), readWorkload(aud)]
  if (signer === null || next === null) return null
  if (![prv, jti, req].every((text) => text === undefined || isExact(text))) return null
  const singleUse = jti === undefined || req === undefined ? null : { jti, req }
  const times = { iat: Number(iat), exp: Number(exp) }
  return { sub: signer, aud: next, ...times, prv: prv ?? null, singleUse }
}

/** X509-SVID §2: a workload has a path. */
function readWorkload(text: string | undefined): SpiffeId | null {
  const parsed = SpiffeId.safeParse(text)
  return parsed.ok && parsed.value.path !== '' ? parsed.value : null
}

/** Whether a text is how octets are written: without bits that nobody reads. */
function isExact(text: string | undefined): text is string {
  return text !== undefined && decodeBase64Url(text) !== null
}

/** What the next token has as `prv`. */
export function tokenHash(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** Of a certificate, as `x5t#S256`. */
export function thumbprintOf(der: Uint8Array): string {
  return hash('sha256', der, 'base64url')
}

function encode(json: string): string {
  return Buffer.from(json, 'latin1').toString('base64url')
}
