import { types } from 'node:util'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TufError, type IntegrityFaultCode } from '../errors.ts'
import { describeRole } from './check-metadata.ts'

/** By the classes of `tuf-js` and `@tufjs/models`, which they do not export. */
const CODES: ReadonlyMap<string, IntegrityFaultCode> = new Map([
  ['UnsignedMetadataError', 'bad-signature'],
  ['LengthOrHashMismatchError', 'hash-mismatch'],
  ['ExpiredMetadataError', 'expired'],
  ['BadVersionError', 'version-mismatch'],
])

const WHAT: Readonly<Record<IntegrityFaultCode, string>> = {
  'too-large': 'is too large',
  'invalid-metadata': 'cannot be read',
  'bad-signature': 'is not signed by enough of its keys',
  rollback: 'is older than what was seen before',
  'version-mismatch': 'has another version than it should have',
  'hash-mismatch': 'has another hash or length than it should have',
  expired: 'has expired',
}

/** What a check of `tuf-js` has found. Its error quotes metadata, and is no cause. */
export function integrityFault(role: string, cause: unknown): TufError {
  if (cause instanceof TufError) return cause
  const code = codeOf(cause)
  const detail = code === 'invalid-metadata' ? ` (${describeCause(cause)})` : ''
  return new TufError(code, `${describeRole(role)} ${WHAT[code]}${detail}`)
}

function codeOf(cause: unknown): IntegrityFaultCode {
  if (!types.isNativeError(cause)) return 'invalid-metadata'
  // Of the same class as a version that is only another one.
  if (/less than current version|^Missing file/.test(cause.message)) return 'rollback'
  return CODES.get(cause.constructor.name) ?? 'invalid-metadata'
}

/** Whether the metadata has the version that is held already. */
export function isSameVersion(cause: unknown): boolean {
  return types.isNativeError(cause) && cause.constructor.name === 'EqualVersionError'
}
