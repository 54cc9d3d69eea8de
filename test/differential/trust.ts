import { NOW } from '../support/verdict.ts'
import type { Question } from '../support/judges/judge.ts'
import { FEDERATED, HOME } from './identities.ts'
import { mintTwin, otherCa, type MintedPath } from './minted-path.ts'
import { Vocabulary } from './vocabulary.ts'

type Bundles = Question['bundles']
type Trust = (path: MintedPath) => Promise<Bundles>

const home = (...authorities: readonly Buffer[]): Bundles => new Map([[HOME, authorities]])

const anchorOf = ({ cas }: MintedPath): Buffer => cas.at(-1)!.der

const EXPIRED = { notAfter: NOW - 1000 }
const NO_KEY_IDS = { subjectKeyIdentifier: false }

/** An authority with the name of the anchor, and another key. */
async function namesake({ cas, keyType }: MintedPath, shape = {}): Promise<Buffer> {
  const { subject } = cas.at(-1)!.ca
  return (await otherCa('namesake', keyType, { subject, ...shape })).der
}

async function federated({ keyType }: MintedPath): Promise<Buffer> {
  return (await otherCa('federated', keyType)).der
}

/** What the verifier holds, in the order in which it holds it. */
export const trusts: Vocabulary<Trust> = new Vocabulary<Trust>({
  'the anchor': async (path) => home(anchorOf(path)),
  'the anchor, twice': async (path) => home(anchorOf(path), anchorOf(path)),
  'no bundle': async () => new Map(),
  'an empty bundle': async () => home(),
  'a federated bundle too': async (path) =>
    new Map([
      [HOME, [anchorOf(path)]],
      [FEDERATED, [await federated(path)]],
    ]),
  'a federated bundle only': async (path) => new Map([[FEDERATED, [await federated(path)]]]),
  'the bundles swapped': async (path) =>
    new Map([
      [HOME, [await federated(path)]],
      [FEDERATED, [anchorOf(path)]],
    ]),
  'the anchor for two trust domains': async (path) =>
    new Map([HOME, FEDERATED].map((name) => [name, [anchorOf(path)]])),
  'a namesake': async (path) => home(await namesake(path)),
  'a namesake, and the anchor': async (path) => home(await namesake(path), anchorOf(path)),
  'the anchor, and a namesake': async (path) => home(anchorOf(path), await namesake(path)),
  'a namesake without key ids, and the anchor': async (path) =>
    home(await namesake(path, NO_KEY_IDS), anchorOf(path)),
  'an expired certificate of the anchor': async (path) =>
    home(await mintTwin(path.cas.at(-1)!, 'self', EXPIRED)),
  'an expired certificate of the anchor, and a new one': async (path) =>
    home(await mintTwin(path.cas.at(-1)!, 'self', EXPIRED), anchorOf(path)),
  'a new certificate of the anchor, and an expired one': async (path) =>
    home(anchorOf(path), await mintTwin(path.cas.at(-1)!, 'self', EXPIRED)),
  'the anchor, signed by a stranger': async (path) =>
    home(await mintTwin(path.cas.at(-1)!, await otherCa('stranger', path.keyType))),
  'the nearest CA': async ({ cas }) => home(cas[0]!.der),
  'the nearest CA, and the anchor': async (path) => home(path.cas[0]!.der, anchorOf(path)),
  'the leaf': async ({ leaf }) => home(leaf),
  'the leaf, and the anchor': async (path) => home(path.leaf, anchorOf(path)),
  'three others, and the anchor': async (path) => {
    const names = ['other 1', 'other 2', 'other 3']
    const others = await Promise.all(names.map((name) => otherCa(name, path.keyType)))
    return home(...others.map(({ der }) => der), anchorOf(path))
  },
})
