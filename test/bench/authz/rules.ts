import { where } from '@fastify-spiffe/authz'
import { type Gate, type GateRequest, gateOf } from './gate.ts'
import { type Case, type Cost, costsOf } from './measure.ts'

const WORKLOADS = 256

/** What the gate costs with rules of its own, with conditions, and with remembered decisions. */
export async function costsOfRules(): Promise<Cost[]> {
  const always = { reads: ['method'], maxAgeMs: 0 } as const
  const gate = await gateOf({
    any: { anyAuthenticated: true },
    exact: { allow: Array.from({ length: WORKLOADS }, (_, at) => workload(at)) },
    typical: {
      deny: ['spiffe://example.org/t1/old', 'spiffe://example.org/*/legacy-*'],
      allow: [
        'spiffe://example.org/t1/admin',
        'spiffe://example.org/ops/*',
        'spiffe://example.org/{tenant}/w*',
      ],
    },
    comparison: { anyAuthenticated: true, where: { attribute: 'method', equals: 'GET' } },
    condition: { anyAuthenticated: true, where: where(({ method }) => method === 'GET', always) },
    'by-identity': { anyAuthenticated: true, where: where(() => true, { reads: ['tenant'] }) },
    'by-attribute': { anyAuthenticated: true, where: where(() => true, { reads: ['params.id'] }) },
  })
  const cases = [
    caseOf(gate, 'the gate, any authenticated caller', 'any'),
    caseOf(gate, 'a local rule: 256 exact identities', 'exact'),
    caseOf(gate, 'a local rule: 2 deny and 3 allow, with patterns', 'typical'),
    caseOf(gate, 'a condition as plain data', 'comparison'),
    caseOf(gate, 'a condition as a function', 'condition'),
    caseOf(gate, 'a remembered decision, by the identity', 'by-identity'),
    caseOf(gate, 'a remembered decision, by a parameter', 'by-attribute'),
  ]
  const costs = await costsOf(cases)
  await gate.app.close()
  return costs
}

function workload(at: number): string {
  return `spiffe://example.org/t${at >> 4}/w${at & 15}`
}

function caseOf({ request, pass }: Gate, name: string, route: string): Case {
  const requests: GateRequest[] = []
  for (let at = 0; at < WORKLOADS; at++) requests.push(request(route, workload(at)))
  if (!requests.every(pass)) throw new Error(`${route} refuses`)
  return { name, call: (round) => pass(requests[round & (WORKLOADS - 1)]!) }
}
