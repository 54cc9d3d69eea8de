/**
 * Numbers the versions that a function names, in the order in which they are seen. A version can return, as that of a
 * policy which is rolled back does. Its number cannot, so that what began before is never taken for what began after.
 */
export function versionCounter(versionOf: () => string | number): () => number {
  let latest: string | number | undefined
  let generation = 0
  return () => {
    const version = versionOf()
    if (version !== latest) {
      latest = version
      generation++
    }
    return generation
  }
}
