/** The scope of all tenants. That of one tenant is `<trust domain>/<name>`. */
export const EVERYBODY = '*'

/** Scopes that are kept account of. Where there are more, others are made to forget too much rather than too little. */
export const MAX_SCOPES = 10_000

/** The scope of a tenant: neither a trust domain nor a tenant's name has a slash. */
export function scopeOf(tenantKey: string): string {
  return tenantKey.replace('\0', '/')
}

/** The tenant of a scope. */
export function tenantKeyOf(scope: string): string {
  return scope.replace('/', '\0')
}
