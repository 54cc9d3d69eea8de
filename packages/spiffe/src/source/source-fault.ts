/** What every source has, whatever it supplies. */
const MEMBERS = ['state', 'onUpdate', 'close'] as const

/**
 * Why a value is not a source of X.509-SVIDs and bundles, as the end of a sentence about an option;
 * `undefined` when it looks like one. A source that was not awaited, the usual mistake, has its own text.
 */
export function sourceFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) {
    return 'must be a source of X.509-SVIDs and bundles, such as X509Source.open() resolves with'
  }
  if ('then' in value && typeof value.then === 'function') {
    return 'is a promise: await it, as in "const source = await X509Source.open()"'
  }
  const missing = ['svid', 'bundles', ...MEMBERS].find((name) => !(name in value))
  if (missing === undefined) return undefined
  return `must be a source of X.509-SVIDs and bundles, and has no '${missing}'`
}

/** Why a value is not a source of bundles of one kind, as the end of a sentence; `undefined` when it looks like one. */
export function bundleSourceFault(
  value: unknown,
  member: 'bundles' | 'jwtBundles',
): string | undefined {
  if (typeof value !== 'object' || value === null) return 'must be a source of bundles'
  if ('then' in value && typeof value.then === 'function') return 'is a promise: await it'
  const missing = [member, ...MEMBERS].find((name) => !(name in value))
  return missing && `must be a source of bundles, and has no '${missing}'`
}
