export { where } from './attributes/condition.ts'
export type { Check, Condition, ConditionOptions } from './attributes/condition.ts'
export type { AttributeName, Attributes } from './attributes/attributes.ts'
export type { Comparison } from './attributes/comparison.ts'
export type {
  AttributeCaller,
  AttributeProvider,
  ProvidedAttributes,
  ProviderResult,
  RefusedAttributes,
} from './attributes/provider.ts'
export type { DecisionCacheStats } from './cache/decision-cache.ts'
export type { CacheEvent } from './cache/events.ts'
export type { Call, CallChain, Caller, CallReader, CallValue, RouteName } from './call.ts'
export type { CheckContext } from './deadline.ts'
export type { PolicyLog, TransportAdapter } from './decision-point/adapter.ts'
export type { PolicyControls, TenantName } from './decision-point/controls.ts'
export type {
  Admission,
  DecisionPoint,
  Enforce,
  Outcome,
  Rejection,
} from './decision-point/decision-point.ts'
export { openDecisionPoint } from './decision-point/open.ts'
export type { OpenDecisionPoint } from './decision-point/open.ts'
export type { PolicyFile, PolicyOptions } from './decision-point/options.ts'
export type { DecisionLogStats } from './decision-log/decision-log.ts'
export type { DecisionLogEvent } from './decision-log/event.ts'
export type { DecisionLogOptions } from './decision-log/options.ts'
export type { AllowReason, Allowance, Decision, DenyReason, Refusal } from './decision/decision.ts'
export type { DecisionEvent } from './decision/decision-event.ts'
export type { RefusalKind } from './decision/refusal-kind.ts'
export type { StatedAltNames } from './document/alt-names.ts'
export type { StatedCall, StatedChain } from './document/stated-call.ts'
export type { PolicyDocument, PolicyTest } from './document/document.ts'
export type { RoutePattern } from './document/route-pattern.ts'
export type { Callers, EngineUse, RouteRule, RuleMode } from './document/route-rule.ts'
export type { BreakerOptions, BreakerState } from './engines/breaker.ts'
export type { EngineStats } from './engines/guard.ts'
export type { Engine, EngineCost, EngineRequest } from './engines/engine.ts'
export type { EngineEvent } from './engines/events.ts'
export { PolicyError } from './errors.ts'
export type { PolicyErrorCode, RouteWithoutRule } from './errors.ts'
export type {
  ExplainedChain,
  Explanation,
  ExplainRequest,
  Finding,
} from './evaluation/explanation.ts'
export type { CallerProof } from './call.ts'
export type { AltNameRule } from './principals/alt-names.ts'
export type { MatcherObject } from './principals/matcher.ts'
export { tenantOfSlug, tenantSlug } from './principals/slug.ts'
export type { SeenSvid } from './principals/seen-svids.ts'
export type { Tenant, TenantSource, TenantTemplate } from './principals/tenant.ts'
export type { TenantsOptions } from './principals/tenants-options.ts'
export type { InvalidationBus, InvalidationListener } from './replicas/bus.ts'
export type { ReplicasOptions } from './replicas/options.ts'
export type { ReplicasState } from './replicas/state.ts'
export { diffTables } from './report/diff.ts'
export type { FieldChange, RowChange, TableDiff } from './report/diff.ts'
export { toMarkdown } from './report/markdown.ts'
export { toOpenApi } from './report/openapi.ts'
export type { OpenApiOperation, OpenApiPaths, OpenApiRule } from './report/openapi.ts'
export type { ConditionRow, EngineRow, RouteRow, RouteTable } from './report/route-table.ts'
export type { CandidateEvent, PolicyEvent } from './rollout/events.ts'
export type { Replacement } from './rollout/active-policy.ts'
export type { ShadowCounts } from './rollout/shadow-counters.ts'
export type { CompiledRule } from './rules/compile.ts'
export type { RuleSet } from './rules/rule-set.ts'
export type {
  RouteDeclaration,
  RuledRoute,
  RuleFinder,
  RuleTable,
  TableEntry,
} from './rules/rule-table.ts'
export type { ScopeRule } from './rules/scope-rule.ts'
