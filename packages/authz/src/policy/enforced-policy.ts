import { AuthzError, type AuthzErrorCode } from '../errors.ts'
import { policyChannel, type PolicyEvent } from '../events.ts'
import type { RouteRules } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import type { PolicyDocument } from './document.ts'
import { loadPolicy } from './load.ts'
import { Policy } from './policy.ts'
import { runTests } from './run-tests.ts'

/** The policy document in force, and how another one takes its place: compiled and tested aside, then all at once. */
export class EnforcedPolicy {
  readonly #routes: RouteRules
  readonly #file: string | null
  readonly #onReplaced: (before: RuleSet, after: RuleSet) => void
  #policy: Policy
  #isBooted = false
  /** One replacement after another, or an older document could come out on top. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    routes: RouteRules,
    policy: Policy,
    file: string | null,
    onReplaced: (before: RuleSet, after: RuleSet) => void,
  ) {
    this.#onReplaced = onReplaced
    this.#routes = routes
    this.#policy = policy
    this.#file = file
  }

  get version(): string {
    return this.#policy.version
  }

  /** Whether the document in force was read from a file. */
  get isOfFile(): boolean {
    return this.#policy.isSameFileAs(this.#policy)
  }

  /**
   * Tests the document that the application boots with.
   *
   * @throws {AuthzError} `invalid-rule`, `policy-test-failed`
   */
  async boot(): Promise<void> {
    this.#routes.assertKnown(this.#policy)
    await runTests(this.#policy, this.#routes, this.#routes.active)
    this.#isBooted = true
  }

  /**
   * Puts a document in the place of the one in force, by default what the file holds now. When anything is wrong, the
   * one in force stays. Resolves with the version in force.
   *
   * @throws {AuthzError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async replace(document?: PolicyDocument): Promise<string> {
    const turn = this.#turn.then(() => this.#replace(document))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #replace(document: PolicyDocument | undefined): Promise<string> {
    try {
      const policy = await this.#read(document)
      if (policy.isSameFileAs(this.#policy)) return this.version
      const rules = this.#routes.compile(policy)
      await runTests(policy, this.#routes, rules)
      const before = this.#routes.active
      this.#routes.use(policy, rules)
      this.#policy = policy
      publish({ version: policy.version, code: null })
      this.#onReplaced(before, rules)
      return policy.version
    } catch (error) {
      publish({
        version: this.version,
        code: error instanceof AuthzError ? error.code : 'invalid-policy',
      })
      throw error
    }
  }

  /** @throws {AuthzError} `invalid-policy` before the boot: not all routes are known yet */
  assertBooted(): void {
    if (!this.#isBooted) throw new AuthzError('invalid-policy', 'the application is not ready')
  }

  async #read(document: PolicyDocument | undefined): Promise<Policy> {
    this.assertBooted()
    if (document !== undefined) return new Policy(document, 'reload()')
    if (this.#file !== null) return loadPolicy(this.#file)
    throw new AuthzError(
      'invalid-policy',
      'reload() needs a document: the option policy names no file',
    )
  }
}

function publish(event: { version: string; code: AuthzErrorCode | null }): void {
  if (policyChannel.hasSubscribers) policyChannel.publish(Object.freeze<PolicyEvent>(event))
}
