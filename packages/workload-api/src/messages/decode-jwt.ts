import { bytesByName, decodeFields, list, record, text } from './decode.ts'
import type { Decode } from './decode.ts'

/** `JWTSVID`, as it came. */
export interface RawJwtSvid {
  readonly spiffeId: string
  readonly svid: string
  readonly hint: string
}

/** `WITSVID`, as it came. */
export interface RawWitSvid {
  readonly spiffeId: string
  readonly witSvid: string
  /** A private key as JSON Web Key. */
  readonly witSvidKey: string
  readonly hint: string
}

/** `ValidateJWTSVIDResponse`, as it came. */
export interface RawValidation {
  readonly spiffeId: string
  /** `google.protobuf.Struct`; `null` when it is absent. */
  readonly claims: unknown
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeJwtSvidResponse(message: Buffer, decode: Decode): readonly RawJwtSvid[] {
  return list(decodeFields(message, decode)['svids']).map((value) => {
    const fields = record(value)
    return {
      spiffeId: text(fields['spiffeId']),
      svid: text(fields['svid']),
      hint: text(fields['hint']),
    }
  })
}

/**
 * JSON Web Key Sets, by the SPIFFE ID of their trust domain.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`
 */
export function decodeJwtBundlesResponse(
  message: Buffer,
  decode: Decode,
): ReadonlyMap<string, Buffer> {
  return bytesByName(decodeFields(message, decode)['bundles'])
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeValidation(message: Buffer, decode: Decode): RawValidation {
  const { spiffeId, claims } = decodeFields(message, (octets) => decodeStruct(octets, decode))
  return { spiffeId: text(spiffeId), claims: claims ?? null }
}

/** The decoder of `google.protobuf.Struct` fails with a `TypeError` where a field has no value. */
function decodeStruct(message: Buffer, decode: Decode): unknown {
  try {
    return decode(message)
  } catch {
    throw new RangeError('a field of claims has no value')
  }
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeWitSvidResponse(message: Buffer, decode: Decode): readonly RawWitSvid[] {
  return list(decodeFields(message, decode)['svids']).map((value) => {
    const fields = record(value)
    return {
      spiffeId: text(fields['spiffeId']),
      witSvid: text(fields['witSvid']),
      witSvidKey: text(fields['witSvidKey']),
      hint: text(fields['hint']),
    }
  })
}

/**
 * JSON Web Key Sets, by the SPIFFE ID of their trust domain.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`
 */
export function decodeWitBundlesResponse(
  message: Buffer,
  decode: Decode,
): ReadonlyMap<string, string> {
  const bundles = record(decodeFields(message, decode)['bundles'])
  return new Map(Object.entries(bundles).map(([name, jwks]) => [name, text(jwks)]))
}
