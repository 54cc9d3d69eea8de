/** What every source has, whatever it supplies. */
const MEMBERS = ['state', 'onUpdate', 'close'] as const

/**
 * Why a value is no source of X.509-SVIDs and bundles, as the end of a message; `undefined` when it
 * looks like one. The usual slip has a sentence of its own: a source that was not awaited.
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
