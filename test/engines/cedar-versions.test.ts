// The quick suite has fifty versions, among the tests of @fastify-spiffe/engine-cedar.
import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import { internal } from '../fuzz/support/internals.ts'

type GuardModule = typeof import('../../packages/engine-cedar/src/crash-guard.ts')
type PoliciesModule = typeof import('../../packages/engine-cedar/src/policies.ts')
type CedarParts = import('../../packages/engine-cedar/src/policies.ts').CedarParts
type PoolModule = typeof import('../../packages/engine-cedar/src/prepared-policy-pool.ts')

const { guardAgainstCrash } = await internal<GuardModule>('engine-cedar/dist/crash-guard.js')
const { CedarPolicies } = await internal<PoliciesModule>('engine-cedar/dist/policies.js')
const { PreparedPolicyPool } = await internal<PoolModule>(
  'engine-cedar/dist/prepared-policy-pool.js',
)
guardAgainstCrash('set-v8-flag', 'v8CrashGuard')
const requireOfEngine = createRequire(import.meta.resolve('@fastify-spiffe/engine-cedar'))
const cedar = requireOfEngine('@cedar-policy/cedar-wasm/nodejs') as CedarParts['cedar']

const EDITIONS = ['acme', 'zenith'].map(
  (tenant) =>
    `permit(principal, action, resource) when { context.tenant == "${tenant}" };
     forbid(principal, action == Action::"PUT /orders/:id", resource);`,
)
const SCHEMA = `
entity Workload;
entity Route;
action "PUT /orders/:id" appliesTo {
  principal: [Workload], resource: [Route], context: { tenant: String }
};
`

test('the names under which Cedar keeps policies are no more after a thousand versions, good and bad, than after one', async () => {
  const pool = new PreparedPolicyPool(cedar)
  const parts = { cedar, slots: pool, engine: 'cedar' }
  const prepare = (policies: string, schema: string | null) =>
    CedarPolicies.prepare({ policies, schema, version: '' }, parts)
  let current = await prepare(EDITIONS[0]!, SCHEMA)
  for (let version = 0; version < 1000; version++) {
    await expect(prepare(EDITIONS[0]!, 'entity')).rejects.toThrow(TypeError)
    const next = await prepare(EDITIONS[version % 2]!, null)
    current.dispose()
    current = next
  }
  // A schema and two sets, beside two sets; each version takes names that the one before left.
  expect(pool.count).toBeLessThanOrEqual(8)
})
