import {
  RevocationList,
  SpiffeError,
  TrustDomain,
  X509Bundle,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { NOW } from '../../support/verdict.ts'
import { readCorpus } from '../corpus/corpus.ts'
import { edited, edits } from '../support/mutation.ts'
import { outcomeOf } from '../support/own-error.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

interface Input {
  readonly text: Uint8Array
  readonly key: Uint8Array
}

const DOMAIN = TrustDomain.parse('example.org')

const PIECES = [
  '-----BEGIN CERTIFICATE-----\n',
  '-----END CERTIFICATE-----\n',
  '-----BEGIN X509 CRL-----\n',
  '-----END X509 CRL-----\n',
  '-----BEGIN PRIVATE KEY-----\n',
  '-----END PRIVATE KEY-----\n',
  '-----BEGIN EC PRIVATE KEY-----\r\n',
  '-----END EC PRIVATE KEY-----\r',
  '-----BEGIN -----\n',
  'Proc-Type: 4,ENCRYPTED\n',
  'MIIB\n',
  'AAAA',
  '====',
  '\n',
  '\r',
  ' ',
  '\t',
  '-----',
  'é\0',
  '-----BEGIN A-----\n'.repeat(300),
  '\n'.repeat(3000),
  'A'.repeat(4000),
  '-'.repeat(3000),
]

const spoilt = (bytes: Buffer): fc.Arbitrary<Uint8Array> =>
  edits.map((changes) => edited(bytes, changes))

const sound = (bytes: Buffer): fc.Arbitrary<Uint8Array> => fc.constant(bytes)

/** Certificates, lists and keys as files have them. */
export function openPem(): Target<Input> {
  const { pems } = readCorpus()
  const [certificates, key, list] = pems as [Buffer, Buffer, Buffer]
  const piece = fc.oneof(fc.constantFrom(...PIECES), fc.constantFrom(...pems))
  const pieces = fc
    .array(piece, { maxLength: 8 })
    .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part))))
  return {
    inputs: fc.oneof(
      fc.record({ text: fc.oneof(spoilt(certificates), spoilt(list), pieces), key: sound(key) }),
      fc.record({ text: sound(certificates), key: fc.oneof(spoilt(key), pieces) }),
    ),
    read({ text, key: keyText }) {
      outcomeOf(SpiffeError, () => void RevocationList.fromPem(text))
      const bundle = outcomeOf(SpiffeError, () => {
        const read = X509Bundle.fromPem(DOMAIN, text)
        const again = X509Bundle.fromDer(
          DOMAIN,
          Buffer.concat(read.authorities.map(({ raw }) => raw)),
        )
        check(read.equals(again), 'as DER it is another bundle')
      })
      const options = { certificates: text, privateKey: keyText, clock: () => NOW }
      const svid = outcomeOf(SpiffeError, () => {
        const read = X509Svid.fromPem(options)
        check(!JSON.stringify(read).includes('PRIVATE'), 'its JSON has the key')
      })
      return svid === ACCEPTED || bundle !== ACCEPTED ? svid : `bundle, no SVID: ${svid}`
    },
    bytesOf: ({ text, key: keyText }) => Buffer.concat([text, keyText]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
