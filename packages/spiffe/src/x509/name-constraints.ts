import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { readUriName } from './general-name.ts'

/** The names that a CA may and may not certify. */
export interface NameConstraints {
  /** Hosts of URIs; empty when URIs are not limited to any. */
  readonly permittedUris: readonly string[]
  readonly excludedUris: readonly string[]
  /** Whether names of other kinds (DNS, directory, …) are constrained too. */
  readonly hasOtherForms: boolean
}

/** RFC 5280 §4.2.1.10. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const constraints = reader.enter(TAG.sequence)
  if (constraints.isAtEnd) throw invalidDer('name constraints are empty')
  const permitted = subtrees(constraints.enterIf(contextTagConstructed(0)))
  const excluded = subtrees(constraints.enterIf(contextTagConstructed(1)))
  constraints.end()
  return Object.freeze({
    permittedUris: permitted.uris,
    excludedUris: excluded.uris,
    hasOtherForms: permitted.hasOtherForms || excluded.hasOtherForms,
  })
}

interface Subtrees {
  readonly uris: readonly string[]
  readonly hasOtherForms: boolean
}

function subtrees(reader: DerReader | undefined): Subtrees {
  const uris: string[] = []
  if (reader === undefined) return { uris: Object.freeze(uris), hasOtherForms: false }
  if (reader.isAtEnd) throw invalidDer('a list of subtrees is empty')
  let hasOtherForms = false
  while (!reader.isAtEnd) {
    const uri = subtree(reader.enter(TAG.sequence))
    if (uri === undefined) hasOtherForms = true
    else uris.push(uri)
  }
  return { uris: Object.freeze(uris), hasOtherForms }
}

function subtree(reader: DerReader): string | undefined {
  const uri = readUriName(reader)
  // RFC 5280 §4.2.1.10: the minimum is 0, the maximum is absent.
  const minimum = reader.contentIf(contextTag(0))
  if (minimum !== undefined && !(minimum.length === 1 && minimum[0] === 0)) {
    throw invalidDer('a subtree has a minimum')
  }
  reader.end()
  return uri
}
