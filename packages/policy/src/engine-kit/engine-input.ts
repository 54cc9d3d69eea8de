import type { EngineRequest } from '../engines/engine.ts'

/** What a question tells beside the caller's identity, the method and the route, as plain data. */
export interface EngineInput {
  /** `trust_domain`, `tenant`, and the declared attributes of the caller: `captures`, `jwt`, `notAfter`. */
  readonly caller: Readonly<Record<string, unknown>>
  /** The declared `params`. */
  readonly resource: Readonly<Record<string, unknown>>
  /** All other declared attributes: `ip`, `host`, `headers`, `query` and so on. */
  readonly context: Readonly<Record<string, unknown>>
}

type Fact = readonly [name: string, value: unknown]

/** Attributes that every question tells in a place of its own. */
const BUILT_IN = new Set(['spiffeId', 'trustDomain', 'tenant', 'method', 'route'])
const OF_THE_CALLER = new Set(['captures', 'jwt', 'notAfter'])

/** Sorts the declared attributes by what they are about. Absent ones are left out; groups of absent ones are empty. */
export function engineInputOf({ spiffeId, tenant, attributes }: EngineRequest): EngineInput {
  const caller: Fact[] = [['trust_domain', spiffeId.trustDomain.toString()]]
  if (tenant !== null) {
    const { trustDomain, name } = tenant
    caller.push(['tenant', { trust_domain: trustDomain.toString(), name }])
  }
  const resource: Fact[] = []
  const context: Fact[] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (BUILT_IN.has(name)) continue
    const [group = name] = name.split('.', 1)
    if (group === 'params') resource.push([name, value])
    else (OF_THE_CALLER.has(group) ? caller : context).push([name, value])
  }
  return { caller: nested(caller), resource: nested(resource), context: nested(context) }
}

/** `params.id` becomes `id` within `params`. */
function nested(facts: readonly Fact[]): Readonly<Record<string, unknown>> {
  const whole = new Map<string, unknown>()
  const groups = new Map<string, Map<string, unknown>>()
  for (const [name, value] of facts) {
    const dot = name.indexOf('.')
    if (dot === -1) {
      if (value !== undefined) whole.set(name, value)
      continue
    }
    const group = name.slice(0, dot)
    const members = groups.get(group) ?? new Map<string, unknown>()
    groups.set(group, members)
    if (value !== undefined) members.set(name.slice(dot + 1), value)
  }
  // `fromEntries` defines properties, so that not even `__proto__` is anything but a name.
  for (const [group, members] of groups) whole.set(group, Object.fromEntries(members))
  return Object.fromEntries(whole)
}
