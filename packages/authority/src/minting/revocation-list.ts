import { AuthorityError } from '../errors.ts'
import { contextTag, der, integer, SEQUENCE, time } from './der.ts'
import { authorityKeyIdentifierOf, rawExtension } from './extensions.ts'
import { corruptSignature, encodeSerialNumber, type Issuer } from './issue.ts'
import { signingAlgorithmOf } from './key-pair.ts'
import { encodeName } from './name.ts'
import { encodeSigned } from './signed.ts'
import type { RevocationListTemplate } from './template.ts'

// RFC 5280 §5.1.2.1: the value 1.
const VERSION_2 = integer(1)
const EXTENSIONS = contextTag(0, 'constructed')
// RFC 5280 §5.2.3: it grows from list to list, as time does.
const CRL_NUMBER = '2.5.29.20'

/** How long a revocation list is current after it was issued. */
export const REVOCATION_LIST_TTL_MS = 3_600_000

/**
 * Makes one certificate revocation list and returns its DER.
 * @throws {@link AuthorityError} `unmintable`
 */
export async function issueRevocationList(
  issuer: Issuer,
  template: RevocationListTemplate,
  now: number,
): Promise<Buffer> {
  const algorithm = signingAlgorithmOf(issuer.privateKey, template.hash)
  const { thisUpdate = now, nextUpdate = now + REVOCATION_LIST_TTL_MS } = template
  try {
    const name = await encodeName(issuer.subject)
    const date = time(thisUpdate)
    const entries = (template.revoked ?? []).map((serialNumber) =>
      der(SEQUENCE, encodeSerialNumber(serialNumber), date),
    )
    const crlNumber = { oid: CRL_NUMBER, value: integer(Math.max(0, Math.trunc(thisUpdate))) }
    const extensions = [
      authorityKeyIdentifierOf(issuer.publicKey),
      ...[crlNumber, ...(template.extraExtensions ?? [])].map(rawExtension),
    ].map(({ encoded }) => encoded)
    const list = await encodeSigned(
      (identifier) =>
        der(
          SEQUENCE,
          VERSION_2,
          identifier,
          name,
          date,
          time(nextUpdate),
          ...(entries.length === 0 ? [] : [der(SEQUENCE, ...entries)]),
          der(EXTENSIONS, der(SEQUENCE, ...extensions)),
        ),
      issuer.privateKey,
      algorithm,
    )
    return template.corruptSignature === true ? corruptSignature(list) : list
  } catch (cause) {
    throw new AuthorityError('unmintable', 'a revocation list of this template cannot be encoded', {
      cause,
    })
  }
}
