/** The scope of all tenants. That of one tenant is `<trust domain>/<name>`. */
export const ALL_TENANTS = '*'

/** A trust domain has 255 octets at most, and a path that names a tenant 2048. */
const MAX_SCOPE_LENGTH = 255 + 1 + 2048

/** The scope of a tenant: neither a trust domain nor a tenant's name has a slash. No message has room for a longer one. */
export function scopeOf(tenantKey: string): string {
  return tenantKey.length > MAX_SCOPE_LENGTH ? ALL_TENANTS : tenantKey.replace('\0', '/')
}

/** The tenant of a scope. */
export function tenantKeyOf(scope: string): string {
  return scope.replace('/', '\0')
}
