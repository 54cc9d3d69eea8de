import type { RuleLocation } from '../location.ts'
import type { PolicyTest } from './document.ts'
import { readStatedCall, readWorkload, STATED_KEYS } from './stated-call.ts'

const KEYS = ['route', 'as', 'expect', ...STATED_KEYS] as const

/**
 * The tests of a policy document, well-formed.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function readTests(place: RuleLocation, tests: unknown): readonly PolicyTest[] {
  return place.list('tests', tests, (key, test) => readTest(place, key, test))
}

function readTest(place: RuleLocation, key: string, test: unknown): PolicyTest {
  const members = place.members(key, test, KEYS)
  const { route, as, expect } = Object.fromEntries(members)
  if (typeof route !== 'string') return place.refuse(`${key}.route`, route, 'must be a route')
  if (expect !== 'allow' && expect !== 'deny') {
    return place.refuse(`${key}.expect`, expect, 'must be allow or deny')
  }
  const caller = as === null ? null : readWorkload(place, `${key}.as`, as)
  return { route, as: caller, expect, ...readStatedCall(place, key, members, caller !== null) }
}
