import { SpiffeError, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'
import { readCorpus } from '../corpus/corpus.ts'
import { mutatedOrRandom } from '../support/bytes.ts'
import { DER } from '../support/der.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'

const DOMAIN = TrustDomain.parse('example.org')

/** Authorities in a row, as they come from the Workload API. */
export function openX509Bundles(): Target<Uint8Array> {
  const ders = readCorpus().chains.map(({ authority }) => authority)
  const bases = [Buffer.concat(ders), Buffer.concat(ders.slice(3)), Buffer.alloc(0), ders[0]!]
  return {
    inputs: mutatedOrRandom(bases, DER),
    read: (bytes) =>
      outcomeOf(SpiffeError, () => {
        const bundle = X509Bundle.fromDer(DOMAIN, bytes)
        const raws = bundle.authorities.map(({ raw }) => raw)
        const isWhole = Buffer.concat(raws).equals(bytes)
        // Of one that is there twice, one is held.
        const hasTwins = Buffer.concat(raws).length < bytes.length
        check(isWhole || hasTwins, 'it holds other octets')
        check(
          raws.every((raw) => Buffer.from(bytes).includes(raw)),
          'an authority is made up',
        )
        check(bundle.equals(X509Bundle.fromDer(DOMAIN, bytes)), 'read twice, it differs')
        for (const authority of bundle.authorities) {
          check(bundle.has(authority), 'it does not have what it holds')
          check(bundle.named(authority.subject).includes(authority), 'it is not found by its name')
        }
        JSON.stringify(bundle)
      }),
    bytesOf: (bytes) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
