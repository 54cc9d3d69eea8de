import { WorkloadApiError } from '../errors.ts'
import { checkFieldCount } from './wire.ts'

/** `X509SVID`, as it came. */
export interface RawX509Svid {
  readonly spiffeId: string
  readonly x509Svid: Buffer
  readonly x509SvidKey: Buffer
  readonly bundle: Buffer
  readonly hint: string
}

/** `X509SVIDResponse`, as it came. */
export interface RawX509SvidResponse {
  readonly svids: readonly RawX509Svid[]
  readonly crl: readonly Buffer[]
  readonly federatedBundles: ReadonlyMap<string, Buffer>
}

/** `X509BundlesResponse`, as it came. */
export interface RawX509BundlesResponse {
  readonly crl: readonly Buffer[]
  readonly bundles: ReadonlyMap<string, Buffer>
}

/** Turns a message into an object, whatever it is. */
export type Decode = (message: Buffer) => unknown

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeX509SvidResponse(message: Buffer, decode: Decode): RawX509SvidResponse {
  const fields = decodeFields(message, decode)
  return {
    svids: list(fields['svids']).map(rawX509Svid),
    crl: list(fields['crl']).map(bytes),
    federatedBundles: bytesByName(fields['federatedBundles']),
  }
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeX509BundlesResponse(message: Buffer, decode: Decode): RawX509BundlesResponse {
  const fields = decodeFields(message, decode)
  return { crl: list(fields['crl']).map(bytes), bundles: bytesByName(fields['bundles']) }
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function decodeFields(message: Buffer, decode: Decode): Record<string, unknown> {
  checkFieldCount(message)
  let decoded: unknown
  try {
    decoded = decode(message)
  } catch (error) {
    // A damaged decoder says nothing about the message.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error
    // The decoder's own error is left out: it may quote the message, and the message holds keys.
    throw new WorkloadApiError('invalid-message', 'a message is not the expected protobuf')
  }
  return record(decoded)
}

function rawX509Svid(value: unknown): RawX509Svid {
  const fields = record(value)
  return {
    spiffeId: text(fields['spiffeId']),
    x509Svid: bytes(fields['x509Svid']),
    x509SvidKey: bytes(fields['x509SvidKey']),
    bundle: bytes(fields['bundle']),
    hint: text(fields['hint']),
  }
}

export function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw unexpected('a message')
  return Object.fromEntries(Object.entries(value))
}

export function bytesByName(value: unknown): ReadonlyMap<string, Buffer> {
  if (typeof value !== 'object' || value === null) throw unexpected('a map')
  return new Map(Object.entries(value).map(([name, entry]) => [name, bytes(entry)]))
}

export function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unexpected('a list')
  return value
}

export function text(value: unknown): string {
  if (typeof value !== 'string') throw unexpected('a string')
  return value
}

function bytes(value: unknown): Buffer {
  if (!Buffer.isBuffer(value)) throw unexpected('bytes')
  return value
}

function unexpected(what: string): WorkloadApiError {
  return new WorkloadApiError('invalid-message', `a field of a message is not ${what}`)
}
