import {
  mintRootCa,
  type CertificateTemplate,
  type KeyType,
  type MintedCa,
} from '@fastify-spiffe/authority'
import { NOW } from '../support/verdict.ts'
import { applyChanges } from './changes.ts'
import { changesAt, type ChainDescription } from './description.ts'
import { NO_CONSTRAINTS, shapeOf, type Draft } from './draft.ts'
import { HOME, identities } from './identities.ts'
import { keyOf } from './keys.ts'

/** A CA of a path. Its certificate may differ from what the mint made. */
export interface PathCa {
  readonly der: Buffer
  readonly ca: MintedCa
}

/** A leaf and the CAs above it, nearest first: there is at least the anchor, which is the last one. */
export interface MintedPath {
  readonly leaf: Buffer
  readonly cas: readonly PathCa[]
  readonly keyType: KeyType
}

const clock = (): number => NOW

const authorities = new Map<string, Promise<PathCa>>()

export async function mintPath(description: ChainDescription): Promise<MintedPath> {
  const anchor = description.intermediates + 1
  const cas: PathCa[] = []
  for (let position = anchor; position > 0; position -= 1) {
    cas.unshift(await pathCa(description, position, cas[0]?.ca))
  }
  const leaf = await mintLeaf(description, cas[0]!.ca)
  return { leaf, cas, keyType: description.keyType }
}

/** The same CAs stand above many leaves. */
function pathCa(
  description: ChainDescription,
  position: number,
  parent: MintedCa | undefined,
): Promise<PathCa> {
  const { keyType, intermediates } = description
  const above = Array.from({ length: intermediates + 2 - position }, (_, level) =>
    changesAt(description, position + level),
  )
  const key = JSON.stringify([keyType, above])
  const known = authorities.get(key)
  if (known !== undefined) return known
  const made = mintPathCa(description, position, parent)
  authorities.set(key, made)
  return made
}

async function mintPathCa(
  description: ChainDescription,
  position: number,
  parent: MintedCa | undefined,
): Promise<PathCa> {
  const level = description.intermediates + 1 - position
  const subject = `C=US,O=SPIFFE,CN=authority ${level}`
  const draft = applyChanges(
    {
      isLeaf: false,
      keyType: description.keyType,
      issuerName: parent?.subject ?? subject,
      template: { subject },
      extensions: [],
      constraints: NO_CONSTRAINTS,
      isForged: false,
    },
    changesAt(description, position),
  )
  const template = {
    ...shapeOf(draft),
    ...(await signer(draft, description)),
    keyPair: await keyOf(`authority ${level}`, draft.keyType),
  }
  const ca = await (parent?.mintCa(template) ?? mintRootCa(HOME, template, { clock }))
  return { der: flip(ca.der, draft), ca }
}

async function mintLeaf(description: ChainDescription, issuer: MintedCa): Promise<Buffer> {
  const uris = identities.get(description.identity)
  const draft = applyChanges(
    {
      isLeaf: true,
      keyType: description.keyType,
      issuerName: issuer.subject,
      template: { uris },
      extensions: [],
      constraints: NO_CONSTRAINTS,
      isForged: false,
    },
    changesAt(description, 0),
  )
  const minted = await issuer.mint(uris[0] ?? '', {
    ...shapeOf(draft),
    ...(await signer(draft, description)),
    keyPair: await keyOf('leaf', draft.keyType),
  })
  return flip(minted.chain[0]!, draft)
}

/** A stranger who claims to be the issuer. */
async function signer(draft: Draft, { keyType }: ChainDescription): Promise<CertificateTemplate> {
  if (!draft.isForged) return {}
  return { issuer: draft.issuerName, signedBy: await otherCa('stranger', keyType) }
}

function flip(der: Buffer, { flippedAt }: Draft): Buffer {
  if (flippedAt === undefined) return der
  const flipped = Buffer.from(der)
  flipped[flipped.length - flippedAt]! ^= 1
  return flipped
}

const others = new Map<string, Promise<MintedCa>>()

/** A self-signed CA beside the path. */
export function otherCa(
  holder: string,
  keyType: KeyType,
  template: CertificateTemplate = {},
): Promise<MintedCa> {
  const key = JSON.stringify([holder, keyType, template])
  const known = others.get(key)
  if (known !== undefined) return known
  const made = keyOf(holder, keyType).then((keyPair) =>
    mintRootCa(HOME, { subject: `CN=${holder}`, ...template, keyPair }, { clock }),
  )
  others.set(key, made)
  return made
}

/** Another certificate for the name and the key of a CA. */
export async function mintTwin(
  { ca }: PathCa,
  signedBy: MintedCa | 'self',
  template: CertificateTemplate = {},
): Promise<Buffer> {
  const { subject, keyPair } = ca
  return (await mintRootCa(HOME, { subject, keyPair, signedBy, ...template }, { clock })).der
}
