import { peer } from '@fastify-spiffe/peer'
import {
  allOf,
  matchAny,
  matchId,
  matchMemberOf,
  not,
  matchOneOf,
  anyOf,
  matchPattern,
  SpiffeId,
  SpiffeIdMatcher,
} from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { authz, type PolicyDocument, type RouteRule } from '../index.ts'

const ROOT = 'spiffe://example.org'
const WEB = 'spiffe://example.org/acme/web'

/** Boots with the rule on a route, and with the document. */
async function boot(rule: unknown, policy: PolicyDocument = {}): Promise<void> {
  const app = Fastify()
  try {
    await app.register(peer)
    await app.register(authz, { policy })
    app.get('/', { config: { spiffe: rule as RouteRule } }, () => 'in')
    await app.ready()
  } finally {
    await app.close()
  }
}

class OfMyOwn extends SpiffeIdMatcher {
  matches(): boolean {
    return true
  }

  toString(): string {
    return 'my own'
  }
}

const NOBODY: readonly (readonly [string, unknown])[] = [
  ['a SPIFFE ID without a path', ROOT],
  ['the same as an object', SpiffeId.parse(ROOT)],
  ['the same as a matcher', matchId(ROOT)],
  ['the same as a pattern', matchPattern(ROOT)],
  ['a list of none', matchOneOf()],
  ['a list of these', matchOneOf(ROOT, 'spiffe://other.org')],
  ['none of several', anyOf()],
  ['one of several such', anyOf(matchId(ROOT), matchOneOf())],
  [
    'members of two trust domains at once',
    allOf(matchMemberOf('example.org'), matchMemberOf('other.org')),
  ],
  ['one such among what has to match', allOf(matchAny(), matchId(ROOT))],
  ['one such as plain data', { oneOf: [WEB, ROOT] }],
  ['one such within plain data', { and: [{ memberOf: 'example.org' }, { not: ROOT }] }],
  ['two trust domains as plain data', { and: [{ memberOf: 'a.org' }, { memberOf: 'b.org' }] }],
  ['no list as plain data', { oneOf: [] }],
]

describe('an entry that can name nobody keeps the application from booting', () => {
  test.each(NOBODY)('in `allow`: %s', async (_, entry) => {
    await expect(boot({ allow: [WEB, entry] })).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test.each(NOBODY)('in `deny`: %s', async (_, entry) => {
    const booting = boot({ anyAuthenticated: true, deny: [entry] })
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test.each<[string, PolicyDocument]>([
    ['in a role', { roles: { clerk: [WEB, ROOT] } }],
    ['in a policy that a route names', { policies: { own: { allow: [ROOT] } } }],
    ['in a role of nobody', { roles: { clerk: [] }, policies: { own: { roles: ['clerk'] } } }],
    [
      'in a test',
      {
        policies: { own: { allow: [WEB] } },
        tests: [{ route: 'GET /', as: ROOT, expect: 'deny' }],
      },
    ],
  ])('of a document: %s', async (_, policy) => {
    const rule = policy.policies === undefined ? { roles: ['clerk'] } : 'own'
    await expect(boot(rule, policy)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

test.each([
  [WEB],
  ['spiffe://example.org/*'],
  ['spiffe://example.org/**'],
  [{ memberOf: 'example.org' }],
  [matchAny()],
  [not(matchId(ROOT))],
  [new OfMyOwn()],
  [allOf(new OfMyOwn(), matchMemberOf('example.org'))],
  [anyOf(matchOneOf(), matchId(WEB))],
])('an entry that can name somebody boots: %s', async (entry) => {
  await expect(boot({ allow: [entry] })).resolves.toBeUndefined()
})
