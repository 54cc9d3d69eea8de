import { X509Certificate } from 'node:crypto'
import { Certificate, SpiffeError, splitCertificates } from '@fastify-spiffe/spiffe'
import { readCorpus } from '../corpus/corpus.ts'
import { mutatedOrRandom } from '../support/bytes.ts'
import { DER } from '../support/der.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'

/** Certificates by themselves, and several in a row. */
export function openCertificates(): Target<Uint8Array> {
  const { chains } = readCorpus()
  const authorities = chains.map(({ authority }) => Certificate.fromDer(authority))
  const bases = chains.flatMap(({ chain, authority }) => chain.concat(authority))
  return {
    inputs: mutatedOrRandom([...bases, Buffer.concat(bases.slice(0, 3))], DER),
    read(bytes) {
      const outcome = outcomeOf(SpiffeError, () => readFully(bytes, authorities))
      const split = outcomeOf(SpiffeError, () => {
        const written = splitCertificates(bytes).map(({ raw }) => raw)
        check(Buffer.concat(written).equals(bytes), 'certificates were split in another way')
      })
      check(outcome !== 'accepted' || split === 'accepted', 'one alone is read, a list of one not')
      return outcome === 'accepted' ? outcome : split === 'accepted' ? 'several' : outcome
    },
    bytesOf: (bytes) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function readFully(bytes: Uint8Array, authorities: readonly Certificate[]): void {
  const certificate = Certificate.fromDer(bytes)
  check(certificate.raw.equals(bytes), 'it holds other octets')
  JSON.stringify(certificate)
  for (const authority of authorities) certificate.isSignedBy(authority)
  certificate.isSignedBy(certificate)
  compare(certificate, certificate.x509)
}

/** OpenSSL reads the same. */
function compare(ours: Certificate, theirs: X509Certificate): void {
  check(theirs.validTo === asOpenssl(ours.notAfter), 'OpenSSL reads another notAfter')
  check(theirs.validFrom === asOpenssl(ours.notBefore), 'OpenSSL reads another notBefore')
  const serial = theirs.serialNumber.toLowerCase().replace(/^(?:00)+(?=.)/, '')
  check(trimmed(serial) === trimmed(ours.serialNumber), `OpenSSL reads the serial number ${serial}`)
}

/** As OpenSSL writes a time, such as `Jun  1 12:00:00 2026 GMT`: `Date.parse` takes the year 49 for 2049. */
function asOpenssl(time: number): string {
  const date = new Date(time)
  const month = date.toLocaleString('en', { month: 'short', timeZone: 'UTC' })
  const day = String(date.getUTCDate()).padStart(2)
  return `${month} ${day} ${date.toISOString().slice(11, 19)} ${date.getUTCFullYear()} GMT`
}

function trimmed(hex: string): string {
  return hex.replace(/^-?0+(?=.)/, '')
}
