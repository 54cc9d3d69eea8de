import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Call } from '../call.ts'
import type { AttributeCaller, AttributeProvider, ProviderResult } from '../attributes/provider.ts'
import { assertKnown, refuse } from '../option-readers.ts'
import type { Tenant } from '../principals/tenant.ts'
import type { DeviceList } from './device-list.ts'

/** How devices are identified. */
export interface DeviceTrustOptions {
  /** Signs the IDs of devices, known to the service that enrols them; at least 16 characters. */
  readonly secret: string
  /** The devices of a tenant that are trusted; `null`: it has none. */
  readonly trusted: (tenant: Tenant | null) => DeviceList | null
  /** The devices of a tenant that are blocked, trusted or not. Default: none are. */
  readonly blocked?: (tenant: Tenant | null) => DeviceList | null
  /** The header that carries the sealed ID, in lower case. Default `x-device-id`. */
  readonly header?: string
}

const KEYS = ['secret', 'trusted', 'blocked', 'header']
const MIN_SECRET_LENGTH = 16
const MAX_HEADER_LENGTH = 512
const UNKNOWN: ProviderResult = provisionOf(undefined, 'unknown')

/**
 * Provides `device.id` and `device.trust`: `trusted`, `blocked`, or `unknown` for all others and
 * for requests without a device. A header is what the caller says, so an ID counts only as it was
 * sealed by {@link signDeviceId}; a header without that seal refuses the request. It is not an identity: it can
 * only restrict what a proven caller may do.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function deviceTrust(options: DeviceTrustOptions): AttributeProvider {
  assertKnown('deviceTrust', options, KEYS)
  const { secret, trusted, blocked = () => null, header = 'x-device-id' } = options
  if (typeof secret !== 'string' || secret.length < MIN_SECRET_LENGTH) {
    return refuse('deviceTrust.secret', secret, `must have ${MIN_SECRET_LENGTH} characters or more`)
  }
  if (typeof trusted !== 'function' || typeof blocked !== 'function') {
    return refuse('deviceTrust.trusted', trusted, 'must be a function')
  }
  if (typeof header !== 'string' || !/^[a-z0-9-]+$/.test(header)) {
    return refuse('deviceTrust.header', header, 'must be a header name in lower case')
  }
  return {
    group: 'device',
    provide: async (
      _call: Call,
      { tenant, attribute }: AttributeCaller,
    ): Promise<ProviderResult> => {
      const sealed = attribute('headers', header)
      if (sealed === undefined) return UNKNOWN
      const id = sealed === null ? null : verifyDeviceId(sealed, secret)
      if (id === null) return { refused: true, code: 'not-sealed' }
      const isBlocked: unknown = (await blocked(tenant)?.has(id)) ?? false
      // Whatever is not a clear no blocks, and whatever is not a clear yes does not trust.
      if (isBlocked !== false) return provisionOf(id, 'blocked')
      const isTrusted = (await trusted(tenant)?.has(id)) === true
      return provisionOf(id, isTrusted ? 'trusted' : 'unknown')
    },
  }
}

/** Seals the ID of a device, for the header of its requests. */
export function signDeviceId(id: string, secret: string): string {
  return `${id}.${macOf(id, secret).toString('base64url')}`
}

function verifyDeviceId(sealed: string, secret: string): string | null {
  if (sealed.length > MAX_HEADER_LENGTH) return null
  const dot = sealed.lastIndexOf('.')
  const id = sealed.slice(0, Math.max(0, dot))
  const given = Buffer.from(sealed.slice(dot + 1), 'base64url')
  const expected = macOf(id, secret)
  const isSealed = given.length === expected.length && timingSafeEqual(given, expected)
  return isSealed && id !== '' ? id : null
}

function macOf(id: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(id).digest()
}

function provisionOf(
  id: string | undefined,
  trust: 'trusted' | 'blocked' | 'unknown',
): ProviderResult {
  const values = new Map([
    ['id', id],
    ['trust', trust],
  ])
  return { get: (name) => values.get(name) }
}
