import { Certificate, CertificateChainValidationEngine } from 'pkijs'
import { anchorsFor } from './anchors.ts'
import { ACCEPTED, refused, type Judge, type Opinion, type Question } from './judge.ts'

/** Issuers that are looked for in one verification: its search does not end by itself where authorities cross-sign. */
const MAX_SEARCHES = 200

/**
 * The engine of pkijs; see {@link anchorsFor} for what it is held against. Its codes are the engine's numbers,
 * `unreadable`, or `endless` when it was stopped.
 */
export const pkijs: Judge<'pkijs'> = {
  name: 'pkijs',
  async judge(questions) {
    const opinions: Opinion[] = []
    const read: Read = new Map()
    for (const question of questions) opinions.push(await judge(question, read))
    return opinions
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

/** What was read already: to read a certificate takes about as long as to check its signature. */
type Read = Map<string, Certificate>

async function judge(question: Question, read: Read): Promise<Opinion> {
  const [leafDer, ...otherDers] = question.chain
  if (leafDer === undefined) return refused('unreadable')
  // Of a certificate that is there twice the engine drops the last one, and takes another one for the leaf.
  const isOther = (der: Uint8Array): boolean => Buffer.compare(der, leafDer) !== 0
  const certificates = readAll([leafDer, ...otherDers.filter(isOther)], read)
  const trustedCerts = readAll(anchorsFor(question).filter(isOther), read)
  if (certificates === undefined || trustedCerts === undefined) return refused('unreadable')
  const [leaf, ...others] = certificates
  let searches = 0
  const engine = new CertificateChainValidationEngine({
    trustedCerts,
    // The engine takes the last one for the leaf.
    certs: [...others, leaf!],
    checkDate: new Date(question.now),
    findIssuer: (certificate, searching, crypto) => {
      searches += 1
      if (searches > MAX_SEARCHES) throw new Error('endless')
      return searching.defaultFindIssuer(certificate, searching, crypto)
    },
  })
  const { result, resultCode } = await engine.verify()
  if (result) return ACCEPTED
  return refused(searches > MAX_SEARCHES ? 'endless' : String(resultCode))
}

function readAll(ders: readonly Uint8Array[], known: Read): Certificate[] | undefined {
  try {
    return ders.map((der) => readOne(der, known))
  } catch {
    return undefined
  }
}

function readOne(der: Uint8Array, known: Read): Certificate {
  const key = Buffer.from(der).toString('latin1')
  const certificate = known.get(key) ?? Certificate.fromBER(der)
  known.set(key, certificate)
  return certificate
}
