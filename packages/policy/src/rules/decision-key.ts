import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { DecisionKey } from '../cache/decision-list.ts'

/** What the decisions of one requirement are kept apart by. */
export interface KeyParts {
  /** Tells the requirements of one plugin apart, in the keys of decisions. Never used twice. */
  readonly index: number
  /** Numbers the policies of an engine as they are now; `null`: it does not name them. */
  readonly policyVersion: (() => string | number) | null
  /** What is read of the call. */
  readonly sources: readonly AttributeSource[]
  /** Whether a decision depends on more than the identity: on the call, or on the version of policies. */
  readonly varies: boolean
}

/**
 * The key of a decision about an identity: the requirement, the version of an engine's policies, and every declared
 * attribute that the call decides. Each part is preceded by its length, so that no value can pass for the end of one part
 * and the start of the next.
 */
export function decisionKey(
  { index, policyVersion, sources, varies }: KeyParts,
  values: readonly AttributeValue[],
): DecisionKey {
  if (!varies) return index
  let key = `${index}|`
  if (policyVersion !== null) key += part(String(policyVersion()))
  for (let position = 0; position < sources.length; position++) {
    if (sources[position]?.varies) key += part(values[position])
  }
  return key
}

function part(value: AttributeValue): string {
  // An absent value differs from every present one, the empty string included.
  if (value === undefined) return '-'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `${text.length}:${text}`
}
