export type { Authz, TenantName } from './authz.ts'
export type { DecisionCacheStats } from './cache/decision-cache.ts'
export type {
  AttributeCaller,
  AttributeProvider,
  ProvidedAttributes,
  Provision,
  RefusedAttributes,
} from './condition/provider.ts'
export type { AttributeName, Attributes } from './condition/attributes.ts'
export type { Comparison } from './condition/comparison.ts'
export { where } from './condition/condition.ts'
export type { Check, Condition, ConditionOptions } from './condition/condition.ts'
export type { AllowReason, DenyReason } from './decide/decision.ts'
export type { BreakerOptions, BreakerState } from './engine/breaker.ts'
export type { EngineStats } from './engine/guard.ts'
export type { Engine, EngineCost, EngineQuestion } from './engine/engine.ts'
export { AuthzError, type AuthzErrorCode, type RefusalStatus } from './errors.ts'
export type {
  CacheEvent,
  CandidateEvent,
  DecisionEvent,
  EngineEvent,
  PolicyEvent,
} from './events.ts'
export type { Explanation, Finding, Question } from './explain/explanation.ts'
export type { InvalidationBus, InvalidationListener } from './invalidation/bus.ts'
export type { ReplicasOptions } from './invalidation/options.ts'
export type { ReplicasState } from './invalidation/state.ts'
export type { DecisionLogStats } from './log/decision-log.ts'
export type { DecisionLogEvent } from './log/event.ts'
export type { DecisionLogOptions } from './log/options.ts'
export type { AuthzOptions, PolicyFile } from './options/options.ts'
export { authz, authz as default } from './plugin.ts'
export type { PolicyDocument, PolicyTest } from './policy/document.ts'
export type { MatcherObject } from './rule/caller.ts'
export { protect } from './rule/group.ts'
export type { Callers, EngineUse, RouteRule, RuleMode } from './rule/route-rule.ts'
export type { CheckContext } from './step/deadline.ts'
export type { Freshness } from './step/freshness.ts'
export type { Comparisons } from './shadow/tally.ts'
export { diffTables } from './table/diff.ts'
export type { FieldChange, RowChange, TableDiff } from './table/diff.ts'
export { toMarkdown } from './table/markdown.ts'
export { toOpenApi } from './table/openapi.ts'
export type { OpenApiOperation, OpenApiPaths, OpenApiRule } from './table/openapi.ts'
export type { ConditionRow, EngineRow, RouteRow, RouteTable } from './table/route-table.ts'
export type { TenantsOptions } from './tenant/options.ts'
export type { TenantSource } from './tenant/route-tenant.ts'
export { tenantOfSlug, tenantSlug } from './tenant/slug.ts'
export type { SeenSvid } from './tenant/svid-index.ts'
export type { Tenant, TenantTemplate } from './tenant/tenant.ts'
export type { UncoveredReason, UncoveredRoute } from './uncovered-route.ts'
