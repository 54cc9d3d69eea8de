/** Something that must stay true, and what keeps it so. */
export interface Promised {
  readonly says: string
  readonly keptBy: readonly Keeper[]
}

/** Tests, or groups of tests, by their file and titles; or a suite, with the page that says what it tests. */
export type Keeper =
  | { readonly kind: 'tests'; readonly file: string; readonly titles: readonly string[] }
  | { readonly kind: 'suite'; readonly path: string; readonly page: string }

export function promise(says: string, ...keptBy: readonly Keeper[]): Promised {
  return { says, keptBy }
}

export function tests(file: string, ...titles: readonly string[]): Keeper {
  return { kind: 'tests', file, titles }
}

export function suite(path: string, page: string): Keeper {
  return { kind: 'suite', path, page }
}
