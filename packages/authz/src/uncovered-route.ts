/**
 * Why no caller can reach a route, or why nothing guards it:
 *
 * - `no-rule`: it has no rule;
 * - `not-seen`: it was declared before the plugin was loaded, and the policy document names no rule for it;
 * - `out-of-reach`: it is outside of the instance that the plugin was registered on;
 * - `guarded-twice`: a registration further in guards it as well, whose rules this one does not know;
 * - `not-shown`: it cannot be checked, because the application prints its routes in its own way;
 * - `changed`: a later `onRoute` hook, or code that came after, changed what its rule was compiled for.
 */
export type UncoveredReason =
  | 'no-rule'
  | 'not-seen'
  | 'out-of-reach'
  | 'guarded-twice'
  | 'not-shown'
  | 'changed'

/** A route that keeps the application from becoming ready. */
export interface UncoveredRoute {
  /** Its methods, separated by commas. */
  readonly method: string
  readonly url: string
  readonly reason: UncoveredReason
  /** What was changed, such as `config`, where the reason is `changed`. */
  readonly changed?: string
  /** File and line of the code that declares it, where that is known. */
  readonly declaredAt?: string
  /** The plugin that declares it, where that is known. */
  readonly plugin?: string
}

/** What is wrong, and the cure. */
const TEXTS: Readonly<Record<UncoveredReason, string>> = {
  'no-rule':
    'routes without a rule. Give each its own (`config: { spiffe: … }`), or one to the plugin that declares it ' +
    '(`protect()`), to its path or its prefix in the policy document (`routes`, `prefixes`), or, where the code is not ' +
    'yours, by an `onRoute` hook that you add before @fastify-spiffe/authz',
  'not-seen':
    'routes that were declared before @fastify-spiffe/authz was loaded, so that no rule of theirs was read. Await its ' +
    'registration, and declare them and register their plugins after it; or name the rule of each under `routes` in the ' +
    'policy document',
  'out-of-reach':
    'routes outside of the instance that @fastify-spiffe/authz was registered on, where nothing guards them. Register it ' +
    'on the outermost instance; if it is registered in a plugin of its own, as with @fastify/autoload, wrap that plugin with ' +
    'fastify-plugin',
  'guarded-twice':
    'routes that two registrations of @fastify-spiffe/authz guard, one within the other. Register it once, on the outermost ' +
    'instance',
  'not-shown':
    'routes of which the printed tree of the router shows no hooks, so it is unknown what guards them. Let ' +
    '`routerOptions.buildPrettyMeta` return `onRequest` and `onError` of `route.store` as well',
  changed:
    'routes that were changed after @fastify-spiffe/authz had read their rule. Add the `onRoute` hook that does so before ' +
    'it, and keep what `config` has: `route.config = { ...route.config, … }`',
}

/** Says of each route why it is uncovered, and what to do. */
export function describeUncovered(routes: readonly UncoveredRoute[]): string {
  const groups = Object.entries(TEXTS).flatMap(([reason, text]) => {
    const members = routes.filter((route) => route.reason === reason)
    return members.length === 0 ? [] : [`${text}:${members.map(line).join('')}`]
  })
  return groups.join('\n')
}

function line({ method, url, changed, declaredAt, plugin }: UncoveredRoute): string {
  const notes = [
    ...(changed === undefined ? [] : [`changed: ${changed}`]),
    ...(declaredAt === undefined ? [] : [declaredAt]),
    ...(plugin === undefined ? [] : [`plugin ${plugin}`]),
  ]
  return `\n  ${method} ${url}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`
}
