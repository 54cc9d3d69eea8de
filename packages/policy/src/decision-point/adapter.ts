import type { Call, CallReader } from '../call.ts'
import type { Replacement } from '../rollout/active-policy.ts'
import type { RuleFinder, RuleTable } from '../rules/rule-table.ts'

/** As much of a logger as is needed, such as that of pino. */
export interface PolicyLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What a transport brings along to have its calls decided. */
export interface TransportAdapter<C extends Call = Call, F extends RuleFinder<C> = RuleFinder<C>> {
  readonly reader: CallReader<C>
  /** Binds calls to a table of rules. Called once. */
  readonly bind: (table: RuleTable) => F
  readonly log: PolicyLog
  /** Told when a policy document has taken the place of another one. */
  readonly onReplaced: (replacement: Replacement) => void
  /** Told when a decision could not be recorded, which changes nothing about it. */
  readonly onRecordError: (call: C, error: unknown) => void
}
