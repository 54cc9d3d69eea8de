/**
 * A tenant's name where upper case and most characters are not allowed: as a DNS label, a file name, a metric. No two
 * names share a slug: `-` becomes `--`, and every other character but `a` to `z` and `0` to `9` becomes `-` and its code.
 *
 * ```
 * tenantSlug('team-b.staging') // 'team--b-2estaging'
 * ```
 */
export function tenantSlug(name: string): string {
  return name.replaceAll(/[^a-z0-9]/g, (character) =>
    character === '-' ? '--' : `-${Buffer.from(character).toString('hex')}`,
  )
}

/** The name that a slug was made of; `null` when it is none. */
export function tenantOfSlug(slug: string): string | null {
  const name = slug.replaceAll(/--|-([0-9a-f]{2})/g, (_, code: string | undefined) =>
    code === undefined ? '-' : String.fromCodePoint(Number.parseInt(code, 16)),
  )
  return tenantSlug(name) === slug ? name : null
}
