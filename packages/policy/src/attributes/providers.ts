import type { CallReader } from '../call.ts'
import { refuse } from '../option-readers.ts'
import type { AttributeProvider } from './provider.ts'

/** Groups of which no provider is asked, whatever carries the calls. */
const TAKEN: ReadonlySet<string> = new Set(['captures', 'chain', 'time'])

/**
 * The option `attributes`, by group.
 *
 * @param ofCalls - the attributes that calls carry by themselves
 * @throws {PolicyError} `invalid-option`
 */
export function readProviders(
  providers: unknown,
  ofCalls: CallReader['attributes'],
): ReadonlyMap<string, AttributeProvider> {
  if (!Array.isArray(providers)) return refuse('attributes', providers, 'must be a list')
  const byGroup = new Map<string, AttributeProvider>()
  for (const [position, provider] of providers.entries()) {
    const key = `attributes[${position}]`
    if (!isProvider(provider)) {
      return refuse(key, provider, 'must be a provider: a group in lower case, and provide()')
    }
    const { group } = provider
    if (TAKEN.has(group) || ofCalls.get(group) === 'group' || byGroup.has(group)) {
      return refuse(`${key}.group`, group, 'is taken already')
    }
    byGroup.set(group, provider)
  }
  return byGroup
}

function isProvider(value: unknown): value is AttributeProvider {
  if (typeof value !== 'object' || value === null) return false
  const { group, provide }: Partial<Record<keyof AttributeProvider, unknown>> = value
  return typeof group === 'string' && /^[a-z]{1,30}$/.test(group) && typeof provide === 'function'
}
