import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { toMarkdown } from 'fastify-spiffe'
import { call } from './call.ts'
import { createIssuer } from './issuer.ts'
import { createOrders } from './orders.ts'
import { deploy, readPolicy, withRego } from './policy-changes.ts'

const ORDERS = 'spiffe://example.org/shop/orders'
const ORDER = '/tenants/:tenant/orders/:id'

const folder = await mkdtemp(join(tmpdir(), 'authorization-'))
const [policyFile, keysFile] = [join(folder, 'policy.json'), join(folder, 'keys.json')]
await cp(fileURLToPath(new URL('../policy/policy.json', import.meta.url)), policyFile)
const sign = await createIssuer(keysFile)

// In production each service has a process and an agent of its own: X509Source.open().
await using authority = await Authority.create({ trustDomain: 'example.org' })
await using app = await createOrders({
  source: await authority.source(ORDERS),
  policyFile,
  keysFile,
})
const base = await app.listen({ host: '127.0.0.1', port: 0 })
const policy = await readPolicy(policyFile)

console.log(`# Who may call what\n\n${toMarkdown(app.authz.table())}`)

await app.authz.setCandidate(withRego(policy))

/** Calls as a workload, with a token that has these claims, and prints what comes of it. */
async function attempt(
  workload: string,
  [method, tenant]: readonly [string, string],
  claims: Readonly<Record<string, unknown>>,
): Promise<void> {
  const answer = await call({
    source: await authority.source(`spiffe://example.org${workload}`),
    server: ORDERS,
    url: `${base}/tenants/${tenant}/orders/7`,
    method,
    token: await sign(claims),
  })
  const about = `${method} of ${tenant}, by ${workload} with ${JSON.stringify(claims)}`
  console.log(`${about.padEnd(80)} ${answer.slice(0, answer.includes('{') ? 3 : undefined)}`)
}

console.log('# Calls\n')
await attempt('/acme/web', ['GET', 'acme'], { scope: 'orders:read' })
await attempt('/globex/web', ['GET', 'acme'], { scope: 'orders:read' })
await attempt('/acme/web', ['PUT', 'acme'], { scope: 'orders:read' })
await attempt('/acme/web', ['PUT', 'acme'], { scope: 'orders:write' })
await attempt('/acme/web', ['PUT', 'acme'], { scope: 'orders:write', mfa: true })
await attempt('/acme/billing', ['PUT', 'acme'], { scope: 'orders:write', mfa: true })

console.log('\n# Why the last one was refused\n')
const { findings, ...explanation } = await app.authz.explain({
  method: 'PUT',
  route: ORDER,
  spiffeId: 'spiffe://example.org/acme/billing',
  attributes: { 'params.tenant': 'acme', 'jwt.scope': 'orders:write' },
})
console.log(
  `${explanation.decision}: ${explanation.reason}, by ${explanation.source?.replace(`${folder}/`, '')}`,
)
for (const { check, what, outcome } of findings) console.log(`  ${check} ${what}: ${outcome}`)

console.log('\n# How the Rego that is considered compares\n')
for (const counts of app.authz.shadowReport().candidate) console.log(JSON.stringify(counts))

console.log('\n# A new policy document: billing may write as well\n')
const { roles = {} } = policy
const billing = 'spiffe://example.org/{tenant}/billing'
const writer = [...(roles['writer'] ?? []), billing]
console.log(
  JSON.stringify(
    await deploy(policyFile, { ...policy, version: '2', roles: { ...roles, writer } }),
  ),
)
await attempt('/acme/billing', ['PUT', 'acme'], { scope: 'orders:write', mfa: true })
await attempt('/globex/billing', ['PUT', 'acme'], { scope: 'orders:write', mfa: true })

console.log('\n# One that fails its own tests: the last good one stays\n')
const careless = { ...policy, version: '3', roles: { ...roles, reader: [billing] } }
console.log(JSON.stringify(await deploy(policyFile, careless)))
await attempt('/acme/billing', ['PUT', 'acme'], { scope: 'orders:write', mfa: true })

await rm(folder, { recursive: true })
