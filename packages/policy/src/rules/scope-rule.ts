/** The rule of a part of the application, such as an instance of Fastify, for those of its routes that have none of their own. */
export interface ScopeRule {
  /** Names the part, for errors. */
  readonly prefix: string
  /** Where its rule is, for errors. Default: `protect`, with the prefix. */
  readonly ruleAt?: string
  readonly rule: unknown
  /** That of the part around. */
  readonly outer: ScopeRule | null
}
