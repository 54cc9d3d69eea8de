/**
 * What test files and their helpers import as `@jest/globals`: the functions of the file that runs.
 * Helpers are loaded once and used by many files, so these are live bindings.
 */
import { createRequire } from 'node:module'

const requireOfCircus = createRequire(createRequire(import.meta.url).resolve('jest-circus'))

export const { jestExpect: expect } = requireOfCircus('@jest/expect')

export let describe
export let test
export let beforeAll
export let afterAll
export let beforeEach
export let afterEach

/** From now on tests and hooks are registered with these functions. */
export function useGlobals(globals) {
  ;({ describe, test, beforeAll, afterAll, beforeEach, afterEach } = globals)
}
