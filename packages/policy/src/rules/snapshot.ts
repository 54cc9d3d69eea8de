/** Deeper than any rule that people can read. */
const MAX_DEPTH = 32

/**
 * A copy of a rule as it is now: of its plain objects and lists, all the way down. Its other
 * values, such as a matcher or a function, are the same.
 */
export function snapshotOf(value: unknown, depth = 0): unknown {
  if (depth === MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((entry) => snapshotOf(entry, depth + 1))
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(([key, member]) => {
    return [key, snapshotOf(member, depth + 1)] as const
  })
  return Object.assign(Object.create(Object.getPrototypeOf(value)), Object.fromEntries(entries))
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
