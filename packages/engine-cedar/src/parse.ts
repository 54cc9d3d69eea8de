import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarSource } from './source.ts'
import type { CedarUid } from './request.ts'

export type { Cedar }

export interface ParsedPolicy {
  /** Its annotation `@id`, or `policy` and its number, from 0. */
  readonly id: string
  readonly policy: Cedar.PolicyJson
  /** The one action that it is about; `null` when its scope says none, or several. */
  readonly action: CedarUid | null
}

/**
 * Reads policies one by one, and checks them against the schema.
 *
 * @throws {TypeError} saying what is wrong with them
 */
export function parsePolicies(
  cedar: typeof Cedar,
  { policies, schema }: CedarSource,
): readonly ParsedPolicy[] {
  const parts = cedar.policySetTextToParts(policies)
  if (parts.type === 'failure')
    throw new TypeError(`no policies: ${syntaxFaults(policies, parts.errors)}`)
  if (parts.policy_templates.length > 0) {
    throw new TypeError(
      'policies with `?principal` or `?resource` are templates, and have no links',
    )
  }
  // An empty file is more often one that is being written than one that refuses everybody.
  if (parts.policies.length === 0) throw new TypeError('there is no policy')
  // Cedar returns them by the names that it gives them: policy10 comes before policy2.
  const names = parts.policies.map((_, position) => `policy${position}`).toSorted(byText)
  const parsed = parts.policies.map((text, at) => parsePolicy(cedar, text, names[at] ?? ''))
  const taken = new Set<string>()
  for (const { id } of parsed) {
    if (taken.has(id)) throw new TypeError(`two policies are called "${id}"`)
    taken.add(id)
  }
  if (schema !== null) validate(cedar, parsed, schema)
  return parsed
}

/** What the policies are to Cedar. */
export function policySet(policies: readonly ParsedPolicy[]): Cedar.PolicySet {
  return { staticPolicies: Object.fromEntries(policies.map(({ id, policy }) => [id, policy])) }
}

/**
 * Cedar's message about a text that it cannot read, by position: it quotes the text there, which
 * may be a secret that was given instead of policies.
 */
function syntaxFaults(text: string, errors: readonly Cedar.DetailedError[]): string {
  return errors
    .slice(0, 3)
    .map(({ message, sourceLocations: [location] = [] }) => {
      const what = location?.label ?? message.replace(/:.*$/s, '').replaceAll(/`[^`]*`/g, '`…`')
      const lines = text.slice(0, location?.start ?? 0).split('\n')
      return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}: ${what}`
    })
    .join('; ')
}

export function messages(errors: readonly { readonly message: string }[]): string {
  return errors
    .slice(0, 3)
    .map(({ message }) => message)
    .join('; ')
}

function parsePolicy(cedar: typeof Cedar, text: string, name: string): ParsedPolicy {
  const answer = cedar.policyToJson(text)
  if (answer.type === 'failure') throw new TypeError(messages(answer.errors))
  const { action, annotations } = answer.json
  const entity = action.op === '==' && 'entity' in action ? action.entity : null
  return {
    id: annotations?.['id'] ?? name,
    policy: answer.json,
    action: entity !== null && 'type' in entity ? entity : null,
  }
}

function validate(cedar: typeof Cedar, policies: readonly ParsedPolicy[], schema: string): void {
  const answer = cedar.validate({ schema, policies: policySet(policies) })
  if (answer.type === 'failure') {
    throw new TypeError(`against the schema: ${syntaxFaults(schema, answer.errors)}`)
  }
  const { validationErrors } = answer
  if (validationErrors.length === 0) return
  throw new TypeError(`against the schema: ${messages(validationErrors.map(({ error }) => error))}`)
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
