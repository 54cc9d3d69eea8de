import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeValue } from './attributes.ts'
import type { AttributeSource } from './sources.ts'

/**
 * The key of a decision: the rule, the identity, and every declared attribute that the request decides. Each part is
 * preceded by its length, so that no value can pass for the end of one part and the start of the next.
 */
export function decisionKey(
  rule: number,
  id: SpiffeId,
  sources: readonly AttributeSource[],
  values: readonly AttributeValue[],
): string {
  let key = `${rule}|${part(id.toString())}`
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
