import { NOW } from '../support/verdict.ts'
import { mintTwin, otherCa, type MintedPath, type PathCa } from './minted-path.ts'
import { Vocabulary } from './vocabulary.ts'

type Sent = (path: MintedPath) => Promise<readonly Uint8Array[]>

const CROWD = 40
const EXPIRED = { notAfter: NOW - 1000 }

const ders = (cas: readonly PathCa[]): readonly Buffer[] => cas.map(({ der }) => der)

const intermediates = ({ cas }: MintedPath): readonly Buffer[] => ders(cas.slice(0, -1))

async function stranger({ keyType }: MintedPath): Promise<Buffer> {
  return (await otherCa('stranger', keyType)).der
}

/** A CA with the name of the nearest one, and another key. */
async function lookAlike({ cas, keyType }: MintedPath, number = 1, shape = {}): Promise<Buffer> {
  const { subject } = cas[0]!.ca
  return (await otherCa(`look-alike ${number}`, keyType, { subject, ...shape })).der
}

function lookAlikes(path: MintedPath, count: number): Promise<readonly Buffer[]> {
  return Promise.all(Array.from({ length: count }, (_, number) => lookAlike(path, number + 1)))
}

/** Another certificate of the nearest CA, signed by a stranger. */
async function crossSigned({ cas, keyType }: MintedPath): Promise<Buffer> {
  return mintTwin(cas[0]!, await otherCa('stranger', keyType))
}

/** Another certificate of the nearest CA, signed by the same one, which has expired. */
function expiredTwin({ cas: [nearest, above] }: MintedPath): Promise<Buffer> {
  return mintTwin(nearest!, above?.ca ?? 'self', EXPIRED)
}

/** Another certificate of the anchor, signed by the CA nearest to the leaf. */
function loop({ cas }: MintedPath): Promise<Buffer> {
  return mintTwin(cas.at(-1)!, cas[0]!.ca)
}

/** What the peer sends, in order. */
export const sents: Vocabulary<Sent> = new Vocabulary<Sent>({
  'as it should be': async (path) => [path.leaf, ...intermediates(path)],
  reversed: async (path) => [path.leaf, ...intermediates(path).toReversed()],
  'the nearest CA missing': async (path) => [path.leaf, ...intermediates(path).slice(1)],
  'the topmost CA missing': async (path) => [path.leaf, ...intermediates(path).slice(0, -1)],
  'the leaf alone': async ({ leaf }) => [leaf],
  'the leaf twice': async (path) => [path.leaf, path.leaf, ...intermediates(path)],
  'the leaf last': async (path) => [...intermediates(path), path.leaf],
  'all CAs twice': async (path) => [path.leaf, ...intermediates(path), ...intermediates(path)],
  'with the anchor': async ({ leaf, cas }) => [leaf, ...ders(cas)],
  'the anchor first': async ({ leaf, cas }) => [leaf, ...ders(cas).toReversed()],
  'a stranger first': async (path) => [path.leaf, await stranger(path), ...intermediates(path)],
  'a stranger last': async (path) => [path.leaf, ...intermediates(path), await stranger(path)],
  'a look-alike first': async (path) => [path.leaf, await lookAlike(path), ...intermediates(path)],
  'a look-alike last': async (path) => [path.leaf, ...intermediates(path), await lookAlike(path)],
  'a look-alike without key ids first': async (path) => [
    path.leaf,
    await lookAlike(path, 1, { subjectKeyIdentifier: false }),
    ...intermediates(path),
  ],
  'forty look-alikes first': async (path) => {
    const own = [path.leaf, ...intermediates(path)]
    return own.toSpliced(1, 0, ...(await lookAlikes(path, CROWD)))
  },
  'forty look-alikes last': async (path) => {
    const own = [path.leaf, ...intermediates(path)]
    return [...own, ...(await lookAlikes(path, CROWD))]
  },
  'a cross-certificate first': async (path) => [
    path.leaf,
    await crossSigned(path),
    ...intermediates(path),
  ],
  'a cross-certificate last': async (path) => [
    path.leaf,
    ...intermediates(path),
    await crossSigned(path),
  ],
  'an expired certificate of the nearest CA first': async (path) => [
    path.leaf,
    await expiredTwin(path),
    ...intermediates(path),
  ],
  'an expired certificate of the nearest CA last': async (path) => [
    path.leaf,
    ...intermediates(path),
    await expiredTwin(path),
  ],
  'a loop first': async (path) => [path.leaf, await loop(path), ...intermediates(path)],
  'a loop last': async (path) => [path.leaf, ...intermediates(path), await loop(path)],
  'garbage last': async (path) => [path.leaf, ...intermediates(path), Buffer.from('garbage')],
  nothing: async () => [],
})
