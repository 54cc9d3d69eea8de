/** The URL pattern of a route, held against the prefixes of a policy document, as the router of the transport matches. */
export interface RoutePattern {
  /** Whether all that it matches is below a path, by whole segments: `/admin` is not above `/administration`. */
  isBelow(path: string): boolean
  /** Whether it can match something at a path or below. In doubt it can. */
  canMatchBelow(path: string): boolean
}
