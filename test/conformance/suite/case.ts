import type { Stage } from '../driver/stage.ts'

/** What a standard says of the rule: MUST, SHOULD, or hardening beyond it. */
export type Level = 'core' | 'recommended' | 'optional'

export const LEVELS: readonly Level[] = ['core', 'recommended', 'optional']

/** One result of the suite. */
export interface ConformanceCase {
  /** Group, number and variant, such as `XV-3/client`. */
  readonly name: string
  readonly level: Level
  /** What has to be true. */
  readonly title: string
  /** Where that is written. */
  readonly rule: string
  /** @throws {@link Failure} when it is not true, {@link Skip} when that cannot be told */
  readonly run: (stage: Stage) => Promise<void>
}

/** The library did what it must not do. Any other error means that the case itself went wrong. */
export class Failure extends Error {
  override readonly name = 'Failure'
}

/** The library has not got what the case is about. */
export class Skip extends Error {
  override readonly name = 'Skip'
}

/** @throws {@link Failure} */
export function expectThat(isTrue: boolean, otherwise: string): asserts isTrue {
  if (!isTrue) throw new Failure(otherwise)
}

/** @throws {@link Failure} */
export function expectEqual(actual: unknown, wanted: unknown, what: string): void {
  expectThat(
    actual === wanted,
    `${what}: ${JSON.stringify(actual)}, wanted ${JSON.stringify(wanted)}`,
  )
}

/** The group of a result: what stands before its number. */
export function groupOf({ name }: { readonly name: string }): string {
  return name.slice(0, name.indexOf('-'))
}
