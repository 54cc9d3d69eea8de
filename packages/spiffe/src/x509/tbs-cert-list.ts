import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTagConstructed, TAG } from '../der/tags.ts'
import { readTime } from '../der/time.ts'
import { readInteger, readSmallInteger, readWhole } from '../der/values.ts'
import { SpiffeError } from '../errors.ts'
import { hexadecimal } from './bytes.ts'
import { readExtensionList } from './extension-list.ts'
import { readAuthorityKeyId } from './extensions.ts'
import { Name } from './name.ts'
import { readSerialNumber } from './serial-number.ts'
import type { Signed } from './signature.ts'
import { readInnerAlgorithm, readSigned } from './signed.ts'

/** What a certificate revocation list says: RFC 5280 §5.1. */
export interface RevocationListFields extends Signed {
  readonly issuer: Name
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly serialNumbers: ReadonlySet<string>
  readonly authorityKeyId: string | undefined
  /** It grows from list to list; -1 when the list has none. */
  readonly number: bigint
}

/** What a list is not complete without: it says for which certificates, or changes of which list, it stands. */
const SCOPE_EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['2.5.29.27', 'it is a delta'], // RFC 5280 §5.2.4
  ['2.5.29.28', 'it covers only a part of the certificates'], // RFC 5280 §5.2.5
  ['2.5.29.29', 'it is indirect'], // RFC 5280 §5.3.3
])

const AUTHORITY_KEY_ID = '2.5.29.35'
const CRL_NUMBER = '2.5.29.20'
const REASON_CODE = '2.5.29.21'

const V2 = 1

/**
 * Reads exactly one complete list of one issuer; octets after it are refused.
 * @throws {@link SpiffeError} `invalid-der`, `unsupported-revocation-list`
 */
export function readRevocationList(der: Uint8Array): RevocationListFields {
  return readSigned(der, readTbs)
}

function readTbs(tbs: DerReader, algorithm: Uint8Array): Omit<RevocationListFields, keyof Signed> {
  // RFC 5280 §5.1.2.1: version 2, as the profile demands extensions.
  if (readSmallInteger(tbs) !== V2) throw invalidDer('a revocation list is not of version 2')
  readInnerAlgorithm(tbs, algorithm)
  const issuer = Name.read(tbs)
  // RFC 5280 §5.1.2.3: the name is not empty.
  if (issuer.isEmpty) throw invalidDer('the issuer of a revocation list has no name')
  const thisUpdate = readTime(tbs)
  // RFC 5280 §5.1.2.5: it is there. Here a list without an end would be current for ever.
  const nextUpdate = readTime(tbs)
  if (nextUpdate < thisUpdate) throw invalidDer('the next update is before this one')
  const entries = tbs.enterIf(TAG.sequence)
  const serialNumbers = entries === undefined ? new Set<string>() : readEntries(entries)
  const extensions = readListExtensions(tbs.enterIf(contextTagConstructed(0)))
  return { issuer, thisUpdate, nextUpdate, serialNumbers, ...extensions }
}

/** RFC 5280 §5.1.2.6. The times and reasons of revocations are read over: what is listed is refused. */
function readEntries(list: DerReader): ReadonlySet<string> {
  const serialNumbers = new Set<string>()
  while (!list.isAtEnd) {
    const entry = list.enter(TAG.sequence)
    serialNumbers.add(readSerialNumber(entry))
    readTime(entry)
    const extensions = entry.enterIf(TAG.sequence)
    // RFC 5280 §5.1: never empty. Issuers do write it so, and it cannot be mistaken.
    if (extensions?.isAtEnd === false) {
      // RFC 5280 §5.3: a list with a critical entry extension that is not understood is not used.
      readExtensionList(extensions, (type, critical) =>
        assertSupported(type, critical && type !== REASON_CODE),
      )
    }
    entry.end()
  }
  return serialNumbers
}

function readListExtensions(
  wrapper: DerReader | undefined,
): Pick<RevocationListFields, 'authorityKeyId' | 'number'> {
  let authorityKeyId: string | undefined
  let number = -1n
  if (wrapper === undefined) return { authorityKeyId, number }
  readExtensionList(wrapper.enter(TAG.sequence), (type, critical, value) => {
    if (type === AUTHORITY_KEY_ID) authorityKeyId = readWhole(value, readAuthorityKeyId)
    else if (type === CRL_NUMBER) number = readWhole(value, readNumber)
    // RFC 5280 §5.2: a list with a critical extension that is not understood is not used.
    else assertSupported(type, critical)
  })
  wrapper.end()
  return { authorityKeyId, number }
}

/** RFC 5280 §5.2.3: not negative, of 20 octets at most. */
function readNumber(reader: DerReader): bigint {
  const content = readInteger(reader)
  if (content[0]! >= 0x80) throw invalidDer('the number of a revocation list is negative')
  if (content.length > 20) throw invalidDer('the number of a revocation list is too long')
  return BigInt(`0x${hexadecimal(content)}`)
}

function assertSupported(type: string, isUnknownCritical: boolean): void {
  const reason =
    SCOPE_EXTENSIONS.get(type) ??
    (isUnknownCritical ? `it has the critical extension ${type}` : undefined)
  if (reason === undefined) return
  throw new SpiffeError('unsupported-revocation-list', `the revocation list is not used: ${reason}`)
}
