import type { KeyObject } from 'node:crypto'
import { AuthorityError } from '../errors.ts'
import { der, INTEGER } from './der.ts'
import { spki } from './extensions.ts'
import { dateOf, corruptSignature, type Issuer } from './issue.ts'
import { importSigningKey, signingAlgorithmOf } from './key-pair.ts'
import type { RevocationListTemplate } from './template.ts'
import { AuthorityKeyIdentifierExtension, Extension, X509CrlGenerator } from './x509.ts'

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
    const list = await X509CrlGenerator.create({
      issuer: issuer.subject,
      thisUpdate: dateOf(thisUpdate),
      nextUpdate: dateOf(nextUpdate),
      entries: (template.revoked ?? []).map((serialNumber) => ({
        serialNumber,
        revocationDate: dateOf(thisUpdate),
      })),
      extensions: [
        await authorityKeyIdentifier(issuer.publicKey),
        new Extension(CRL_NUMBER, false, der(INTEGER, numberOf(thisUpdate))),
        ...(template.extraExtensions ?? []).map(
          ({ oid, critical = false, value }) => new Extension(oid, critical, value),
        ),
      ],
      signingKey: await importSigningKey(issuer.privateKey, algorithm),
      signingAlgorithm: algorithm,
    })
    const bytes = Buffer.from(list.rawData)
    return template.corruptSignature === true ? corruptSignature(bytes) : bytes
  } catch (cause) {
    throw new AuthorityError('unmintable', 'a revocation list of this template cannot be encoded', {
      cause,
    })
  }
}

function authorityKeyIdentifier(key: KeyObject): Promise<Extension> {
  return AuthorityKeyIdentifierExtension.create(spki(key))
}

/** RFC 5280 §5.2.3: it grows from list to list, as time does. Eight octets, the first of them zero. */
function numberOf(time: number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeBigInt64BE(BigInt(Math.max(0, Math.trunc(time))))
  const first = octets.findIndex((octet) => octet !== 0)
  const start = first === -1 ? 7 : octets[first]! >= 0x80 ? first - 1 : first
  return octets.subarray(start)
}
