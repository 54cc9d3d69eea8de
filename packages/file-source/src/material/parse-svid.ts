import { SpiffeError, X509Svid } from '@fastify-spiffe/spiffe'
import { FileSourceError, type FileSourceErrorCode } from '../errors.ts'
import type { WatchedFile } from '../access/read-safely.ts'
import { certificatesAsPem, keyAsPem } from './encoding.ts'

interface SvidFiles {
  readonly svid: WatchedFile
  readonly key: WatchedFile
}

/**
 * Reads an SVID from the contents of its files. Its times are not looked at: that is done with those of its issuers.
 * @throws {@link FileSourceError} `invalid-svid`, `invalid-key`, `key-mismatch`
 */
export function parseSvid(files: SvidFiles, certificates: Buffer, privateKey: Buffer): X509Svid {
  try {
    return X509Svid.fromPem({
      certificates: certificatesAsPem(certificates),
      privateKey: keyAsPem(privateKey),
      clock: () => -Infinity,
    })
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    const code = codeOf(cause)
    const file = code === 'invalid-key' ? files.key : files.svid
    throw new FileSourceError(code, `${file.name} is refused: ${cause.message}`, { cause })
  }
}

function codeOf({ code, message }: SpiffeError): FileSourceErrorCode {
  if (code === 'key-mismatch' || code === 'invalid-key') return code
  // The reader of PEM names what it wanted.
  return code === 'invalid-pem' && message.includes('private key') ? 'invalid-key' : 'invalid-svid'
}
