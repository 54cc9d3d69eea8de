/** Whether a value is an object: a list is one, and a function is none. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Whether a value is an object with methods of these names, its own or inherited. Its class does not count. */
export function hasMethods(value: unknown, names: readonly string[]): value is object {
  return isObject(value) && names.every((name) => typeof Reflect.get(value, name) === 'function')
}
