import * as fc from 'fast-check'
import { jwtBundleChanges, x509BundleChanges } from './bundle-changes.ts'
import { BundleDraft } from './bundle-draft.ts'
import { claimChanges } from './claim-changes.ts'
import { formChanges } from './form-changes.ts'
import { headerChanges } from './header-changes.ts'
import { keyChanges } from './key-changes.ts'
import { ALGORITHMS, type Algorithm, type Members } from './keys.ts'
import { TokenDraft, type Minted } from './token-draft.ts'

/** How a token or a bundle is made: a failure prints it. */
export type Description =
  | { readonly algorithm: Algorithm; readonly changes: readonly string[] }
  | { readonly bundle: 'JWT keys' | 'all keys'; readonly changes: readonly string[] }

const tokenChanges: Readonly<Record<string, (draft: TokenDraft) => void>> = {
  ...headerChanges,
  ...claimChanges,
  ...keyChanges,
  ...formChanges,
}
const bundleChanges = { ...jwtBundleChanges, ...x509BundleChanges }

/** All changes that there are. */
export const CHANGES: ReadonlySet<string> = new Set([
  ...Object.keys(tokenChanges),
  ...Object.keys(bundleChanges),
])

/** A good token of every algorithm, good bundles, and every change by itself: of a token, on two algorithms. */
export function singles(): readonly Description[] {
  const changed = Object.keys(tokenChanges).flatMap((change, number) =>
    [number, number + 4].map((at) => ({
      algorithm: ALGORITHMS[at % ALGORITHMS.length]!,
      changes: [change],
    })),
  )
  return [
    ...ALGORITHMS.map((algorithm) => ({ algorithm, changes: [] })),
    ...changed,
    ...bundlesWith([]),
    ...Object.keys(bundleChanges).flatMap((change) => bundlesWith([change])),
  ]
}

/** Two changes at once. */
export const pairs: fc.Arbitrary<Description> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      algorithm: fc.constantFrom(...ALGORITHMS),
      changes: some(Object.keys(tokenChanges)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({
        bundle: fc.constant('JWT keys' as const),
        changes: some(Object.keys(jwtBundleChanges)),
      }),
      fc.record({
        bundle: fc.constant('all keys' as const),
        changes: some(Object.keys(bundleChanges)),
      }),
    ),
  },
)

export function mintToken(
  { algorithm, changes }: Extract<Description, { algorithm: unknown }>,
  now: number,
): Minted {
  const draft = new TokenDraft(algorithm, now)
  for (const change of changes) changeNamed(tokenChanges, change)(draft)
  return draft.mint()
}

export function writeBundle(
  { bundle, changes }: Extract<Description, { bundle: unknown }>,
  x509: readonly Members[],
): string {
  const draft = new BundleDraft(bundle === 'all keys' ? x509 : [])
  for (const change of changes) changeNamed(bundleChanges, change)(draft)
  return draft.text()
}

function bundlesWith(changes: readonly string[]): readonly Description[] {
  const whole = { bundle: 'all keys', changes } as const
  const needsCertificates = changes.some((change) => Object.hasOwn(x509BundleChanges, change))
  return needsCertificates ? [whole] : [whole, { bundle: 'JWT keys', changes }]
}

function some(names: readonly string[]): fc.Arbitrary<readonly string[]> {
  return fc.uniqueArray(fc.constantFrom(...names), { minLength: 2, maxLength: 2 })
}

function changeNamed<Draft>(
  changes: Readonly<Record<string, (draft: Draft) => void>>,
  name: string,
): (draft: Draft) => void {
  const change = changes[name]
  if (change === undefined) throw new Error(`there is no change "${name}"`)
  return change
}
