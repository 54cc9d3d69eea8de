import { bytesByName, decodeFields, list, record, text } from './decode.ts'
import type { Decode } from './decode.ts'

/** `JWTSVID`, as it came. */
export interface RawJwtSvid {
  readonly spiffeId: string
  readonly svid: string
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
  const { spiffeId, claims } = decodeFields(message, decode)
  return { spiffeId: text(spiffeId), claims: claims ?? null }
}
