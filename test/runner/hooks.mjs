/** Gives test files our globals for what they import as `@jest/globals`. */
const GLOBALS = new URL('globals.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  if (specifier === '@jest/globals') return { url: GLOBALS, shortCircuit: true }
  return next(specifier, context)
}
