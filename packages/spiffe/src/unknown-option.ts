/**
 * The first name in `options` that is not `known`. The packages refuse it with the code `unknown-option`:
 * a misspelt option must not pass for one that is set.
 */
export function unknownOption(options: object, known: Iterable<string>): string | undefined {
  const names = new Set(known)
  return Object.keys(options).find((name) => !names.has(name))
}
