import { Certificate, RevocationList, SpiffeError } from '@fastify-spiffe/spiffe'
import { readCorpus } from '../corpus/corpus.ts'
import { mutatedOrRandom } from '../support/bytes.ts'
import { DER } from '../support/der.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'

/** Revocation lists, and whose signature they bear. */
export function openRevocationLists(): Target<Uint8Array> {
  const { chains, revocationLists } = readCorpus()
  const authorities = chains.map(({ authority }) => Certificate.fromDer(authority))
  const signed = revocationLists.map(signedPart)
  return {
    inputs: mutatedOrRandom(revocationLists, DER),
    read: (bytes) =>
      outcomeOf(SpiffeError, () => {
        const list = RevocationList.fromDer(bytes)
        check(list.raw.equals(bytes), 'it holds other octets')
        JSON.stringify(list)
        if (!authorities.some((authority) => list.isSignedBy(authority))) return
        const isGenuine = signed.some((part) => list.raw.includes(part))
        check(isGenuine, 'a list that nobody has signed passes for signed')
      }),
    bytesOf: (bytes) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** The first element inside the list, written as it was. */
function signedPart(list: Buffer): Buffer {
  const [whole] = DER.parse(list) ?? []
  const inside = whole?.content
  if (inside === undefined || inside instanceof Uint8Array) throw new Error('no list')
  return DER.write(inside.slice(0, 1))
}
