/** Gives the tests our harness for what they import as `@jest/globals`. */
const HARNESS = new URL('harness.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  if (specifier === '@jest/globals') return { url: HARNESS, shortCircuit: true }
  return next(specifier, context)
}
