import { describe, expect, test } from '@jest/globals'
import { UrlPattern } from './url-pattern.ts'

const STRICT = { caseSensitive: true, ignoreDuplicateSlashes: false, ignoreTrailingSlash: false }
const LAX = { caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true }

const placeOf = (url: string, path: string, router = STRICT): string => {
  const pattern = new UrlPattern(url, router)
  if (pattern.isBelow(path)) return 'below'
  return pattern.canMatchBelow(path) ? 'reaches' : 'elsewhere'
}

describe('where a route stands, held against a path', () => {
  test.each([
    ['/admin', '/admin', 'below'],
    ['/admin/', '/admin', 'below'],
    ['/admin/users/:id', '/admin', 'below'],
    ['/admin/*', '/admin', 'below'],
    ['/admin/:id?', '/admin', 'below'],
    ['/anything', '/', 'below'],
    ['*', '/', 'below'],
    ['/tenants/:id/orders', '/tenants/:id', 'below'],
    ['/administration', '/admin', 'elsewhere'],
    ['/adm', '/admin', 'elsewhere'],
    ['/', '/admin', 'elsewhere'],
    ['/orders/:id', '/admin', 'elsewhere'],
    ['/:area', '/admin/keys', 'elsewhere'],
    ['/Admin/keys', '/admin', 'elsewhere'],
    ['/::admin', '/admin', 'elsewhere'],
    ['/:a-:b', '/admin', 'elsewhere'],
    ['/:file.png', '/admin', 'elsewhere'],
    [String.raw`/:id(^\d+$)/keys`, '/admin', 'elsewhere'],
    ['/:area(^(?:orders|bills)$)/keys', '/admin', 'elsewhere'],
    ['/orders*', '/admin', 'elsewhere'],
    ['*', '/admin', 'reaches'],
    ['/*', '/admin', 'reaches'],
    ['/admin*', '/admin', 'reaches'],
    ['/ad*', '/admin', 'reaches'],
    ['/:area', '/admin', 'reaches'],
    ['/:area?', '/admin', 'reaches'],
    ['/:area/keys', '/admin', 'reaches'],
    ['/:area/keys', '/admin/keys', 'reaches'],
    ['/:area/:what?', '/admin', 'reaches'],
    ['/:area/*', '/admin/keys', 'reaches'],
    ['/:a-:b', '/admin-area', 'reaches'],
    ['/:file.min', '/ad.min', 'reaches'],
    ['/ad:rest', '/admin', 'reaches'],
    [':area/keys', '/admin', 'reaches'],
    ['/:area(^[a-z]+$)/keys', '/admin', 'reaches'],
    ['/:area(^(?:admin|a(?:b|c))$)/keys', '/admin', 'reaches'],
    ['/:area(^a/b|admin$)/keys', '/admin', 'reaches'],
    [String.raw`/:area(^\(?[a-z]+$)/keys`, '/admin', 'reaches'],
    [String.raw`/:area(^(?:(?:(?:(?:admin))))$)/keys`, '/admin', 'reaches'],
    ['/:area(^[(a-z]+$)/keys', '/admin', 'reaches'],
    ['/:a*', '/admin', 'reaches'],
    ['/a(b/:area/keys', '/a(b/admin', 'reaches'],
    ['/a(b/:area/keys', '/admin', 'elsewhere'],
    ['//admin/keys', '/admin', 'reaches'],
    ['/admin//keys', '/admin/keys', 'reaches'],
    ['/%61dmin/keys', '/admin', 'reaches'],
    ['/tenants/acme/orders', '/tenants/:id', 'reaches'],
    ['/tenants/:tenant/orders', '/tenants/:id', 'reaches'],
    ['/a/::b', '/a/::b', 'below'],
    ['/a/:x', '/a/::b', 'reaches'],
  ])('%s stands, for %s: %s', (url, path, expected) => {
    expect(placeOf(url, path)).toBe(expected)
  })

  test.each([
    ['/Admin/keys', '/admin', 'below'],
    ['/admin/keys', '/ADMIN', 'below'],
    ['//admin//keys', '/admin/keys', 'below'],
    ['/ADMIN*', '/admin', 'reaches'],
    ['/:area(^ADMIN$)/keys', '/admin', 'reaches'],
    ['/orders', '/admin', 'elsewhere'],
  ])('where the router takes URLs for the same, %s stands, for %s: %s', (url, path, expected) => {
    expect(placeOf(url, path, LAX)).toBe(expected)
  })
})
