import type { DecisionKey } from '../cache/decision-list.ts'
import type { AttributeValue } from '../attributes/attributes.ts'
import type { Step } from './step.ts'

/**
 * The key of a decision about an identity: the step, the version of an engine's policies, and every declared attribute
 * that the request decides. Each part is preceded by its length, so that no value can pass for the end of one part and the
 * start of the next.
 */
export function decisionKey(
  {
    index,
    policyVersion,
    sources,
    varies,
  }: Pick<Step, 'index' | 'policyVersion' | 'sources' | 'varies'>,
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
