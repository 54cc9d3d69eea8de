import { authz, AuthzError, type PolicyDocument, PolicyError } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import * as fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import { internal, type PolicyModule } from '../support/internals.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

const WEB = 'spiffe://example.org/acme/web'
const STRANGER = 'spiffe://example.com/stranger'

/** Documents that are good, from which others are made. */
const DOCUMENTS = [
  {
    version: '1',
    roles: { clerks: [WEB, 'spiffe://example.org/{tenant}/api-*'] },
    policies: { staff: { roles: ['clerks'], deny: ['spiffe://example.org/acme/old'] } },
    routes: {
      'GET /orders/:id': 'staff',
      'POST /orders': {
        allow: [WEB],
        where: { attribute: 'headers.x-region', equals: 'eu' },
      },
    },
    prefixes: { '/': { anyAuthenticated: true }, '/orders': 'staff' },
    tests: [
      { route: 'GET /orders/:id', as: WEB, expect: 'allow' },
      { route: 'GET /orders/:id', as: STRANGER, expect: 'deny' },
      { route: 'POST /orders', as: WEB, expect: 'allow', attributes: { 'headers.x-region': 'eu' } },
    ],
  },
  {
    prefixes: {
      '/': {
        allow: [{ memberOf: 'example.org' }, { not: WEB }, { or: [`${WEB}/*`, { oneOf: [WEB] }] }],
        where: { all: [{ attribute: 'headers.x-region', equals: 'eu' }] },
        mode: 'shadow',
      },
    },
  },
  { prefixes: { '/': { public: { reason: 'it is' } } }, routes: {} },
]

/** Values that mean something somewhere in a document, or are dangerous as names. */
const WORDS = [
  WEB,
  STRANGER,
  'staff',
  'clerks',
  'allow',
  'deny',
  'GET /orders/:id',
  '/orders',
  '/',
  '',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'version',
  'spiffe://',
  '*',
  'mode',
  'and',
  'or',
  'not',
  'id',
  'pattern',
  'memberOf',
  'matchAny',
  'where',
  'engines',
  'tenant',
  '{',
]

const json = fc.jsonValue({ maxDepth: 3 })

const words = fc.constantFrom(...WORDS)

const values: fc.Arbitrary<unknown> = fc.oneof(
  words,
  json,
  fc.constantFrom(null, true, false, 0, -1, 1e308, [], {}),
  fc.array(words, { maxLength: 4 }),
  fc.dictionary(words, fc.oneof(words, fc.array(words, { maxLength: 3 })), { maxKeys: 3 }),
)

interface Change {
  readonly at: number
  readonly kind: 'replace' | 'delete' | 'rename' | 'add' | 'nest'
  readonly name: string
  readonly value: unknown
}

const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    at: fc.nat(0xffff),
    kind: fc.constantFrom('replace', 'delete', 'rename', 'add', 'nest'),
    name: words,
    value: values,
  }),
  { minLength: 0, maxLength: 3 },
)

/** JSON texts of documents: good ones with changes, and any JSON. */
const texts: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.tuple(fc.constantFrom(...DOCUMENTS), changes).map(([document, list]) => {
      let value: unknown = document
      for (const change of list) value = changed(value, { left: change.at % count(value) }, change)
      return JSON.stringify(value ?? null)
    }),
  },
  { weight: 1, arbitrary: values.map((value) => JSON.stringify(value)) },
  // Deeper than the stack is.
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('version', 'roles', 'routes', 'prefixes', 'tests', 'x'), fc.nat(9_000))
      .map(([name, depth]) => `{"${name}":${'{"not":'.repeat(depth)}1${'}'.repeat(depth)}}`),
  },
)

function count(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, inner) => sum + count(inner), 1)
}

/** A copy with a change at the value that `place` counts down to. */
function changed(value: unknown, place: { left: number }, change: Change): unknown {
  const isHere = place.left === 0
  place.left -= 1
  if (isHere) return here(value, change)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((inner) => changed(inner, place, change))
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => {
    const isTarget = place.left === 0
    const inside = changed(inner, place, change)
    return [isTarget && change.kind === 'rename' ? change.name : name, inside]
  })
  return Object.fromEntries(entries)
}

function here(value: unknown, { kind, name, value: other }: Change): unknown {
  switch (kind) {
    case 'replace':
      return other
    case 'delete':
      return undefined
    case 'rename':
      return value
    case 'add':
      return Array.isArray(value)
        ? [...(value as unknown[]), other]
        : Object.fromEntries([...Object.entries(Object(value)), [name, other]])
    case 'nest':
    default:
      return { [name]: value }
  }
}

function codeOfAuthz(error: unknown): string {
  if (!(error instanceof AuthzError) && !(error instanceof PolicyError)) throw error
  check(error.message.length < 20_000, `the message is ${error.message.length} long`)
  return error.code
}

async function application(policy: PolicyDocument): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, { policy, tenant: '/{tenant}/{workload}' })
  app.get('/orders/:id', () => 'in')
  app.post('/orders', () => 'in')
  return app
}

/** Documents for an application that runs: it takes them, or keeps the last good one. */
export async function openPolicies(): Promise<Target<string>> {
  const { Policy } = await internal<PolicyModule>('policy/dist/document/policy.js')
  const app = await application(JSON.parse(JSON.stringify(DOCUMENTS[0])) as PolicyDocument)
  await app.ready()
  return {
    inputs: texts,
    async read(text) {
      const document = JSON.parse(text) as PolicyDocument
      let isRead = false
      const { policyVersion } = app.authz
      try {
        isRead = typeof new Policy(document, 'fuzz').version === 'string'
        await app.authz.reload(document)
        return ACCEPTED
      } catch (error) {
        check(app.authz.policyVersion === policyVersion, 'a refused document has taken effect')
        return isRead ? `on reload: ${codeOfAuthz(error)}` : codeOfAuthz(error)
      }
    },
    bytesOf: (text) => Buffer.from(text),
    [Symbol.asyncDispose]: () => app.close(),
  }
}

/** Documents for an application that boots. Without a rule for a route nobody gets in: it does not boot, or refuses. */
export const openBoots = (): Target<string> => ({
  inputs: texts,
  async read(text) {
    const document = JSON.parse(text) as PolicyDocument
    let app: FastifyInstance | undefined
    try {
      app = await application(document)
      await app.ready()
      const { statusCode } = await injectAs(app, null, '/orders/1')
      const isOpen = /"public"|"shadow"/.test(text)
      check(isOpen || statusCode !== 200, 'somebody without an identity is let in')
      return ACCEPTED
    } catch (error) {
      return codeOfAuthz(error)
    } finally {
      await app?.close()
    }
  },
  bytesOf: (text) => Buffer.from(text),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})
