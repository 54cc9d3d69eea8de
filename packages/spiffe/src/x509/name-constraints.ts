import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { readGeneralName, type GeneralName } from './general-name.ts'
import { subtreeFault, withLowerCaseHost } from './subtree-base.ts'

/** The names that a CA may and may not certify. */
export interface NameConstraints {
  /** Where names of a kind may lie, hosts in lower case; those of a kind that is not among them are not limited. */
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
  /** Why the constraints cannot be held against any name; `undefined` when they can. */
  readonly fault: string | undefined
}

/** RFC 5280 §4.2.1.10: there is a list at least, and none is empty. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const constraints = reader.enter(TAG.sequence)
  if (constraints.isAtEnd) throw invalidDer('name constraints are empty')
  const permitted = readSubtrees(constraints.enterIf(contextTagConstructed(0)))
  const excluded = readSubtrees(constraints.enterIf(contextTagConstructed(1)))
  constraints.end()
  return Object.freeze({
    permitted: permitted.bases,
    excluded: excluded.bases,
    fault: permitted.fault ?? excluded.fault,
  })
}

interface Subtrees {
  readonly bases: readonly GeneralName[]
  readonly fault: string | undefined
}

function readSubtrees(list: DerReader | undefined): Subtrees {
  const bases: GeneralName[] = []
  if (list === undefined) return { bases: Object.freeze(bases), fault: undefined }
  if (list.isAtEnd) throw invalidDer('a list of subtrees is empty')
  let fault: string | undefined
  while (!list.isAtEnd) {
    const subtree = list.enter(TAG.sequence)
    const base = readGeneralName(subtree)
    fault ??= readDistances(subtree) ?? subtreeFault(base)
    bases.push(withLowerCaseHost(base))
  }
  return { bases: Object.freeze(bases), fault }
}

/** RFC 5280 §4.2.1.10: the minimum is 0 and the maximum absent, or the certificate is refused. */
function readDistances(subtree: DerReader): string | undefined {
  const minimum = subtree.contentIf(contextTag(0))
  const maximum = subtree.contentIf(contextTag(1))
  subtree.end()
  // X.690 §11.5 leaves the default out; a 0 that is spelled out cannot be mistaken.
  if (minimum !== undefined && !(minimum.length === 1 && minimum[0] === 0)) {
    return 'a subtree of names has a minimum'
  }
  return maximum === undefined ? undefined : 'a subtree of names has a maximum'
}
