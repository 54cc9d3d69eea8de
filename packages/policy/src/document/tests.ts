import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import type { RuleLocation } from '../location.ts'
import { readAltNames } from './alt-names.ts'
import type { PolicyTest } from './document.ts'

const KEYS = ['route', 'as', 'subjectAltName', 'attributes', 'expect'] as const

/**
 * The tests of a policy document, well-formed.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function readTests(place: RuleLocation, tests: unknown): readonly PolicyTest[] {
  if (!Array.isArray(tests)) return place.refuse('tests', tests, 'must be a list')
  return tests.map((test, position) => readTest(place, `tests[${position}]`, test))
}

function readTest(place: RuleLocation, key: string, test: unknown): PolicyTest {
  const members = place.members(key, test, KEYS)
  const { route, as, expect } = Object.fromEntries(members)
  if (typeof route !== 'string') return place.refuse(`${key}.route`, route, 'must be a route')
  if (expect !== 'allow' && expect !== 'deny') {
    return place.refuse(`${key}.expect`, expect, 'must be allow or deny')
  }
  if (as !== null && !isWorkload(as)) {
    return place.refuse(`${key}.as`, as, 'must be the SPIFFE ID of a workload or null')
  }
  return {
    route,
    as,
    expect,
    ...readPrincipals(place, key, members),
    attributes: readAttributes(place, key, members.get('attributes')),
  }
}

/** What a test says of its caller beside the SPIFFE ID. */
function readPrincipals(
  place: RuleLocation,
  key: string,
  members: ReadonlyMap<string, unknown>,
): Pick<PolicyTest, 'subjectAltName'> {
  const [name, stated] = [`${key}.subjectAltName`, members.get('subjectAltName')]
  if (!members.has('subjectAltName')) return {}
  if (members.get('as') === null) place.refuse(name, stated, 'needs a caller in as')
  return { subjectAltName: readAltNames(place, name, stated) }
}

function isWorkload(as: unknown): as is string {
  const id = SpiffeId.safeParse(as)
  return id.ok && id.value.path !== ''
}

function readAttributes(
  place: RuleLocation,
  key: string,
  attributes: unknown = {},
): Record<string, string> {
  const read: Record<string, string> = Object.create(null)
  for (const [name, value] of place.entries(`${key}.attributes`, attributes)) {
    if (typeof value !== 'string') {
      return place.refuse(`${key}.attributes["${describeName(name)}"]`, value, 'must be a string')
    }
    read[name] = value
  }
  return read
}
