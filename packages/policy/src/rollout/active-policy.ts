import { TaskQueue } from '@fastify-spiffe/spiffe/internal'
import { PolicyError, type PolicyErrorCode } from '../errors.ts'
import { policyChannel, type PolicyEvent } from './events.ts'
import type { RuleTable } from '../rules/rule-table.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import type { PolicyDocument } from '../document/document.ts'
import { loadPolicy } from '../document/load.ts'
import { Policy } from '../document/policy.ts'
import { runTests } from '../evaluation/policy-tests.ts'

/** That a document has taken the place of another one. */
export interface Replacement {
  readonly before: RuleSet
  readonly after: RuleSet
  /** Whether another replica had put it in force before. */
  readonly isAdopted: boolean
}

/**
 * The policy document in force, and how another one takes its place: compiled and tested aside, then all at once. A document
 * that code has put in force gives way to code alone, or to a policy file whose content has changed since.
 */
export class ActivePolicy {
  readonly #routes: RuleTable
  readonly #file: string | null
  readonly #onReplaced: (replacement: Replacement) => void
  #policy: Policy
  /**
   * What the file contained when code activated the document; `null` for a document of the file, or
   * if that is unknown.
   */
  #olderFile: Policy | null = null
  #isBooted = false
  /** One replacement after another, or an older document could come out on top. */
  readonly #changes = new TaskQueue()

  constructor(
    routes: RuleTable,
    policy: Policy,
    file: string | null,
    onReplaced: (replacement: Replacement) => void,
  ) {
    this.#onReplaced = onReplaced
    this.#routes = routes
    this.#policy = policy
    this.#file = file
  }

  get version(): string {
    return this.#policy.version
  }

  /** Of the content of the document in force. */
  get digest(): string {
    return this.#policy.digest
  }

  /** Whether the document in force was read from a file. */
  get isFromFile(): boolean {
    return this.#policy.isFromFile
  }

  /**
   * Tests the document that the application boots with.
   *
   * @throws {PolicyError} `invalid-rule`, `policy-test-failed`
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
   * @throws {PolicyError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async replace(document?: PolicyDocument): Promise<string> {
    await this.#replaceBy(async () => {
      if (document === undefined) return this.#read()
      this.assertBooted()
      const policy = new Policy(document, 'reload()')
      // What is in the file already is older than this document.
      const olderFile = await this.#readOlder()
      return { policy, olderFile }
    })
    return this.version
  }

  /**
   * Puts in force what the file holds, if that has changed.
   *
   * @throws {PolicyError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async refresh(): Promise<void> {
    await this.#replaceBy(async () => {
      const read = await this.#read()
      return this.#isOlder(read.policy) ? null : read
    })
  }

  /**
   * Puts in force what another replica has put in force, if the file holds just that, and if it `isWanted` still. Resolves
   * with whether it did.
   *
   * @throws {PolicyError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async adopt(digest: string, isWanted: () => boolean): Promise<boolean> {
    if (this.#file === null) return false
    return await this.#replaceBy(async () => {
      const read = await this.#read()
      const { policy } = read
      if (!isWanted() || policy.digest !== digest || this.#isOlder(policy)) return null
      return { ...read, isAdopted: true }
    })
  }

  /** @throws {PolicyError} `invalid-policy` before the boot: not all routes are known yet */
  assertBooted(): void {
    if (!this.#isBooted) throw new PolicyError('invalid-policy', 'the application is not ready')
  }

  #replaceBy(read: () => Promise<NextPolicy | null>): Promise<boolean> {
    return this.#changes.run(() => this.#replace(read))
  }

  async #replace(read: () => Promise<NextPolicy | null>): Promise<boolean> {
    try {
      const found = await read()
      if (found === null || found.policy.isSameFileAs(this.#policy)) return false
      const { policy, olderFile = null, isAdopted = false } = found
      const rules = this.#routes.compile(policy)
      await runTests(policy, this.#routes, rules)
      const before = this.#routes.active
      this.#routes.use(policy, rules)
      this.#policy = policy
      this.#olderFile = olderFile
      publish({ version: policy.version, code: null })
      this.#onReplaced({ before, after: rules, isAdopted })
      return true
    } catch (error) {
      publish({
        version: this.version,
        code: error instanceof PolicyError ? error.code : 'invalid-policy',
      })
      throw error
    }
  }

  /** Whether the file held this when code put another document in force. */
  #isOlder(policy: Policy): boolean {
    return this.#olderFile !== null && policy.isSameFileAs(this.#olderFile)
  }

  async #read(): Promise<NextPolicy> {
    this.assertBooted()
    if (this.#file !== null) return { policy: await loadPolicy(this.#file) }
    throw new PolicyError(
      'invalid-policy',
      'reload() needs a document: the option policy names no file',
    )
  }

  async #readOlder(): Promise<Policy | null> {
    if (this.#file === null) return null
    const held = this.#policy.isFromFile ? this.#policy : this.#olderFile
    return await loadPolicy(this.#file).catch(() => held)
  }
}

/** A document that is to be put in force. */
interface NextPolicy {
  readonly policy: Policy
  readonly olderFile?: Policy | null
  readonly isAdopted?: boolean
}

function publish(event: { version: string; code: PolicyErrorCode | null }): void {
  if (policyChannel.hasSubscribers) policyChannel.publish(Object.freeze<PolicyEvent>(event))
}
