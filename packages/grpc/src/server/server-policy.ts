import type { ServiceDefinition } from '@grpc/grpc-js'
import type {
  DecisionPoint,
  OpenDecisionPoint,
  PolicyControls,
  RuleSet,
  Tenant,
} from '@fastify-spiffe/policy'
import { hasLostAllAccess, openWith } from '@fastify-spiffe/policy/internal'
import type { ServerIdentity } from '@fastify-spiffe/tls'
import type { GrpcCall } from '../call/grpc-call.ts'
import { grpcCallOf, type HandledCall } from '../call/peer-of.ts'
import { ChainedCallReader, GrpcCallReader } from '../call/reader.ts'
import { GrpcError } from '../errors.ts'
import { Methods, type ServiceRules } from './methods.ts'
import type { ServerSettings } from './options.ts'

/** So many trust domains are named in the log. */
const MAX_NAMED = 20

/** The rules of one server, from its opening to its end. */
export class ServerPolicy {
  readonly #settings: ServerSettings
  readonly #opened: OpenDecisionPoint<GrpcCall, Methods>
  /** The numbers of methods that anybody may call: to be allowed them is no access that could be lost. */
  readonly #openToAll = new Set<number>()
  #identity: ServerIdentity | undefined
  #started: Promise<void> | undefined

  private constructor(settings: ServerSettings, opened: OpenDecisionPoint<GrpcCall, Methods>) {
    this.#settings = settings
    this.#opened = opened
  }

  /** @throws {PolicyError} `invalid-rule`, `invalid-policy` */
  static async open(settings: ServerSettings): Promise<ServerPolicy> {
    let policy: ServerPolicy | undefined
    // Without it, a rule that names an origin does not compile.
    const Reader = settings.chains === null ? GrpcCallReader : ChainedCallReader
    const opened = await openWith(settings.policy, {
      reader: new Reader(settings.policy.clock),
      bind: (table) => new Methods(table),
      log: settings.log,
      onReplaced: ({ before, after }) => policy?.onReplaced(before, after),
      onRecordError: ({ path }, error) =>
        settings.log.error({ err: error, route: path }, 'decision not recorded'),
    })
    policy = new ServerPolicy(settings, opened)
    return policy
  }

  get point(): DecisionPoint<GrpcCall> {
    return this.#opened.point
  }

  get controls(): PolicyControls<GrpcCall> {
    return this.#opened.controls
  }

  /**
   * Adds the methods of a service.
   *
   * @throws {GrpcError} `unknown-method`, `invalid-service`
   * @throws {PolicyError} `invalid-rule`
   */
  add(service: ServiceDefinition, rules: ServiceRules): readonly number[] {
    return this.#opened.finder.add(service, rules)
  }

  /** Adds a service like {@link add}, of which a caller may have nothing else. */
  addOpenToAll(service: ServiceDefinition, rules: ServiceRules): void {
    for (const index of this.add(service, rules)) this.#openToAll.add(index)
  }

  /** Disconnects callers there, and nowhere else, who lose all access when the policy document is replaced. */
  disconnectFrom(identity: ServerIdentity): void {
    this.#identity = identity
  }

  tenantOf(call: HandledCall): Tenant | null {
    const received = grpcCallOf(call)
    if (received === undefined || received.peer === null) return null
    const { tenantOf, tenantSubject } = this.#opened
    const subject = tenantSubject === null ? received.peer.spiffeId : tenantSubject(received)
    return subject === null ? null : (tenantOf?.(subject) ?? null)
  }

  /**
   * Tests the policy, and follows its file and the other replicas from now on. Done once.
   *
   * @throws {GrpcError} `uncovered-methods`
   * @throws {PolicyError} `invalid-rule`, `policy-test-failed`
   */
  async start(): Promise<void> {
    const { uncovered } = this.#opened.finder
    if (uncovered.length > 0) throw GrpcError.uncovered(uncovered)
    this.#started ??= this.#start()
    await this.#started
  }

  async close(): Promise<void> {
    await this.#opened.close()
  }

  onReplaced(before: RuleSet, after: RuleSet): void {
    const [former, present] = [this.#withoutOpen(before), this.#withoutOpen(after)]
    this.#identity?.disconnectPeers(({ spiffeId }) => hasLostAllAccess(spiffeId, former, present))
    this.#warnOfUnprovable()
  }

  async #start(): Promise<void> {
    await this.#opened.boot()
    this.#warnOfUnprovable()
    await this.#opened.follow()
  }

  #withoutOpen(set: RuleSet): RuleSet {
    return { ...set, rules: set.rules.filter((_, index) => !this.#openToAll.has(index)) }
  }

  #warnOfUnprovable(): void {
    const { bundles } = this.#settings.source
    const provable = new Set(Array.from(bundles, ({ trustDomain }) => trustDomain.name))
    const missing = [...this.#opened.trustDomains()].filter((name) => !provable.has(name))
    if (missing.length === 0) return
    const fields = {
      code: 'trust-domain-without-bundle',
      policyVersion: this.controls.policyVersion,
      trustDomains: missing.slice(0, MAX_NAMED),
    }
    const message =
      'rules name trust domains whose bundle the server does not have: their workloads cannot be proven'
    this.#settings.log.warn(fields, message)
  }
}
