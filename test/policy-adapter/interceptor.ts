import {
  type CallReader,
  type Caller,
  openDecisionPoint,
  type PolicyControls,
  type PolicyOptions,
  type RefusalKind,
  type RouteRule,
  type RuleFinder,
  type RuleTable,
} from '@fastify-spiffe/policy'

/** A call of a transport whose methods are paths and whose attributes are metadata, as in gRPC. */
export interface ToyCall {
  readonly id: string
  /** Such as `/orders.Orders/Get`; `null` for a method that no service has. */
  readonly path: string | null
  /** Each name may have several values. */
  readonly metadata: ReadonlyMap<string, readonly string[]>
  readonly caller: Caller | null
}

export type ToyStatus = 'UNAUTHENTICATED' | 'PERMISSION_DENIED' | 'NOT_FOUND' | 'RESOURCE_EXHAUSTED'

const STATUS: Readonly<Record<RefusalKind, ToyStatus>> = {
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  'tenant-mismatch': 'PERMISSION_DENIED',
  'not-found': 'NOT_FOUND',
  'too-many-requests': 'RESOURCE_EXHAUSTED',
}

const METHOD = 'CALL'

const reader: CallReader<ToyCall> = {
  caller: ({ caller }) => caller,
  method: () => METHOD,
  route: ({ path }) => path,
  remoteAddress: () => '192.0.2.1',
  id: ({ id }) => id,
  attributes: new Map([['headers', 'group']]),
  attribute: ({ metadata }, _group, name) => {
    const [value, ...others] = metadata.get(name) ?? []
    return others.length === 0 ? value : null
  },
  problemWith: () => null,
}

/** Finds the rules of calls by their paths. */
class Methods implements RuleFinder<ToyCall> {
  readonly #table: RuleTable
  readonly #indexes = new Map<string, number>()

  constructor(table: RuleTable) {
    this.#table = table
  }

  add(path: string, own: RouteRule | undefined): void {
    const isBelow = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`)
    const pattern = { isBelow, canMatchBelow: isBelow }
    const entry = this.#table.add({ methods: [METHOD], url: path, pattern, own, scope: null })
    if (!entry.hasRule) throw new Error(`${path} has no rule`)
    this.#indexes.set(path, entry.index)
  }

  ruleOf({ path }: ToyCall, rules: Parameters<RuleFinder['ruleOf']>[1]) {
    const index = path === null ? undefined : this.#indexes.get(path)
    return index === undefined ? rules.notFound : this.#table.ruleAt(index, METHOD, rules)
  }
}

export interface Interceptor {
  /** Runs the handler of a call, or returns the status of its refusal. */
  readonly intercept: <Answer>(call: ToyCall, next: () => Answer) => Promise<Answer | ToyStatus>
  readonly controls: PolicyControls<ToyCall>
  readonly close: () => Promise<void>
}

const ignore = (): void => undefined

/** Decides the calls of some methods, each with its rule; `undefined`: the policy document has it. */
export async function interceptor(
  methods: Readonly<Record<string, RouteRule | undefined>>,
  options: PolicyOptions<ToyCall> = {},
): Promise<Interceptor> {
  const policy = await openDecisionPoint(options, {
    reader,
    bind: (table) => new Methods(table),
    log: { info: ignore, warn: ignore, error: ignore },
    onReplaced: ignore,
    onRecordError: ignore,
  })
  for (const [path, rule] of Object.entries(methods)) policy.finder.add(path, rule)
  await policy.boot()
  await policy.follow()
  return {
    intercept: (call, next) =>
      new Promise((resolve) => {
        policy.point.decide(call, (outcome) => {
          resolve(outcome.isAdmitted ? next() : STATUS[outcome.kind])
        })
      }),
    controls: policy.controls,
    close: () => policy.close(),
  }
}
