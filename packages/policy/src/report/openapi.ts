import { templateOf } from '../uri-template.ts'
import type { RouteRow, RouteTable } from './route-table.ts'

/** The part of an OpenAPI document that says who may call: `x-spiffe-authz` on each operation. */
export interface OpenApiPaths {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
}

/**
 * One operation, and its rules: several if constraints, such as a host, separate several routes.
 */
export interface OpenApiOperation {
  readonly 'x-spiffe-authz': readonly OpenApiRule[]
}

/** The rule of one route. */
export type OpenApiRule = Omit<RouteRow, 'method' | 'route' | 'source'>

/** The methods that OpenAPI 3.1 has operations for. */
const METHODS = new Set(['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE'])

/** A route table as the paths of an OpenAPI document, to be merged into one. */
export function toOpenApi({ routes }: RouteTable): OpenApiPaths {
  const paths = new Map<string, Map<string, OpenApiRule[]>>()
  for (const { method, route, source: _, ...rule } of routes) {
    if (!METHODS.has(method)) continue
    const path = templateOf(route)
    const operations = paths.get(path) ?? new Map<string, OpenApiRule[]>()
    const rules = operations.get(method.toLowerCase()) ?? []
    operations.set(method.toLowerCase(), [...rules, rule])
    paths.set(path, operations)
  }
  return {
    paths: Object.fromEntries(
      Array.from(paths, ([path, operations]) => [
        path,
        Object.fromEntries(Array.from(operations, operationOf)),
      ]),
    ),
  }
}

function operationOf([method, rules]: [string, OpenApiRule[]]): [string, OpenApiOperation] {
  return [method, { 'x-spiffe-authz': rules }]
}
