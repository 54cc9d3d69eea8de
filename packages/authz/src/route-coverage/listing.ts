import type { UncoveredRoute } from '../uncovered-route.ts'

/**
 * Leaves out what follows from another route in the list: `HEAD` beside `GET`, and the path with a slash at its end beside
 * the one without, since Fastify adds both.
 */
export function withoutDerived(routes: readonly UncoveredRoute[]): readonly UncoveredRoute[] {
  const byPath = new Map<string, UncoveredRoute[]>()
  for (const route of routes) {
    const path = withoutSlash(route.url)
    byPath.set(path, [...(byPath.get(path) ?? []), route])
  }
  return routes.filter((route) => {
    return !byPath.get(withoutSlash(route.url))?.some((other) => followsFrom(route, other))
  })
}

function followsFrom(route: UncoveredRoute, other: UncoveredRoute): boolean {
  if (route === other || route.reason !== other.reason) return false
  if (route.method === 'HEAD') return methodsOf(other).includes('GET')
  // What `onRoute` reports is declared.
  const isAdded = route.reason !== 'no-rule' && route.url === `${other.url}/`
  return isAdded && methodsOf(route).every((method) => methodsOf(other).includes(method))
}

function methodsOf({ method }: UncoveredRoute): readonly string[] {
  return method.split(', ')
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url
}
