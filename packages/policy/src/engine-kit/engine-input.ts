import type { EngineRequest } from '../engines/engine.ts'

/** What a request contains besides the caller's identity, the method and the route, as plain data. */
export interface EngineInput {
  /** `trust_domain`, `tenant`, and the declared attributes of the caller: `captures`, `jwt`, `notAfter`, `proof`, `subjectAltName`. */
  readonly caller: Readonly<Record<string, unknown>>
  /** The declared `params`. */
  readonly resource: Readonly<Record<string, unknown>>
  /** All other declared attributes: `ip`, `host`, `headers`, `query` and so on. */
  readonly context: Readonly<Record<string, unknown>>
}

type Entry = readonly [name: string, value: unknown]

/** Attributes that every engine request has in members of its own. */
const BUILT_IN = new Set(['spiffeId', 'trustDomain', 'tenant', 'method', 'route'])
const CALLER_GROUPS = new Set(['captures', 'jwt', 'notAfter', 'proof', 'subjectAltName'])

/** Groups the declared attributes by what they describe. Absent attributes are left out; a group without present ones is empty. */
export function engineInputOf({ spiffeId, tenant, attributes }: EngineRequest): EngineInput {
  const caller: Entry[] = [['trust_domain', spiffeId.trustDomain.toString()]]
  if (tenant !== null) {
    const { trustDomain, name } = tenant
    caller.push(['tenant', { trust_domain: trustDomain.toString(), name }])
  }
  const resource: Entry[] = []
  const context: Entry[] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (BUILT_IN.has(name)) continue
    const [group = name] = name.split('.', 1)
    if (group === 'params') resource.push([name, value])
    else (CALLER_GROUPS.has(group) ? caller : context).push([name, value])
  }
  return { caller: nested(caller), resource: nested(resource), context: nested(context) }
}

/** `params.id` becomes `id` within `params`. */
function nested(entries: readonly Entry[]): Readonly<Record<string, unknown>> {
  const whole = new Map<string, unknown>()
  const groups = new Map<string, Map<string, unknown>>()
  for (const [name, value] of entries) {
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
