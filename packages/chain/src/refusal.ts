import type { RefusalCode } from '@fastify-spiffe/spiffe'

/**
 * Why a chain was refused. For logs and metrics; the caller sees 401 alone.
 *
 * - `chain-duplicate`: a header has several field lines;
 * - `chain-incomplete`: one of the two headers is missing;
 * - `chain-too-large`: a header is too long, or there are too many certificates;
 * - `chain-malformed`: it is not octet for octet what a sender writes;
 * - `chain-too-deep`: more than four tokens;
 * - `chain-broken`: a token does not continue the one before it;
 * - `chain-wrong-audience`: the last token is for another workload;
 * - `chain-not-yet-valid`, `chain-expired`, `chain-lifetime`: the times of a token;
 * - `chain-caller-mismatch`: the last token is not by the peer of the connection, which is no relay either;
 * - `chain-request-mismatch`: a relay presents a token that is for another request;
 * - `chain-certificate-missing`: no certificate was sent that a token names;
 * - `chain-certificate:…`: the certificate of a hop was refused, with the code of the verifier;
 * - `chain-subject-mismatch`: the certificate of a hop names another SPIFFE ID than its token;
 * - `chain-key-unsupported`: the key of a hop is neither on P-256 nor on P-384;
 * - `chain-algorithm`: the algorithm or the size of a signature does not fit the key;
 * - `chain-signature`: a signature is not by the key of its hop;
 * - `chain-replayed`: a relay presents a token again;
 * - `chain-busy`: so many relayed tokens came within a minute that no further one can be remembered.
 */
export type ChainRefusalCode =
  | 'chain-duplicate'
  | 'chain-incomplete'
  | 'chain-too-large'
  | 'chain-malformed'
  | 'chain-too-deep'
  | 'chain-broken'
  | 'chain-wrong-audience'
  | 'chain-not-yet-valid'
  | 'chain-expired'
  | 'chain-lifetime'
  | 'chain-caller-mismatch'
  | 'chain-request-mismatch'
  | 'chain-certificate-missing'
  | `chain-certificate:${RefusalCode}`
  | 'chain-subject-mismatch'
  | 'chain-key-unsupported'
  | 'chain-algorithm'
  | 'chain-signature'
  | 'chain-replayed'
  | 'chain-busy'

/** A refused chain. */
export interface ChainRefusal {
  readonly ok: false
  readonly code: ChainRefusalCode
}

export function refuse(code: ChainRefusalCode): ChainRefusal {
  return Object.freeze({ ok: false, code })
}

/**
 * Why a client that a listed proxy forwards was refused. For logs and metrics; the caller sees 401 alone.
 *
 * - `forwarded-duplicate`: a header has several field lines;
 * - `forwarded-too-large`: it has more than 16 KiB;
 * - `forwarded-malformed`: it is not as the proxy writes it;
 * - `forwarded-several`: it names several clients, or the proxy presents a signed chain as well;
 * - `forwarded-no-certificate`: it has no certificate;
 * - `forwarded-hash-mismatch`: `Hash` is of another certificate;
 * - `forwarded-chain-mismatch`: `Chain` begins with another certificate than `Cert`;
 * - `forwarded-by-mismatch`: `By` names another proxy;
 * - `forwarded-certificate:…`: the certificate was refused, with the code of the verifier;
 * - `forwarded-uri-mismatch`: `URI` names another SPIFFE ID than the certificate;
 * - `forwarded-not-spoken-for`: the proxy may not speak for this client.
 */
export type ForwardedRefusalCode =
  | 'forwarded-duplicate'
  | 'forwarded-too-large'
  | 'forwarded-malformed'
  | 'forwarded-several'
  | 'forwarded-no-certificate'
  | 'forwarded-hash-mismatch'
  | 'forwarded-chain-mismatch'
  | 'forwarded-by-mismatch'
  | `forwarded-certificate:${RefusalCode}`
  | 'forwarded-uri-mismatch'
  | 'forwarded-not-spoken-for'

/** A refused client. */
export interface ForwardedRefusal {
  readonly ok: false
  readonly code: ForwardedRefusalCode
}

export function refuseForwarded(code: ForwardedRefusalCode): ForwardedRefusal {
  return Object.freeze({ ok: false, code })
}
