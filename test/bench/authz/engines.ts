import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Engine, EngineRequest } from '@fastify-spiffe/authz'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { cedar } from '@fastify-spiffe/engine-cedar'
import { opaWasm } from '@fastify-spiffe/engine-opa-wasm'
import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { cerbosProgram, startCerbos } from '../../engines/cerbos/program.ts'
import { freePort } from '../../spire/fixture/port.ts'
import { runBuildTool } from '../../support/build-tool.ts'
import { cachedBuild } from '../../support/cached-build.ts'
import { gateOf } from './gate.ts'
import { type Case, type Cost, costsOf } from './measure.ts'

const WEB = 'spiffe://example.org/acme/web'
const CASBIN = 'casbin@5.51.1'
const packages = new URL('../../../../packages/engine-opa-wasm/', import.meta.url)
const signal = new AbortController().signal

const QUESTION: EngineRequest = Object.freeze({
  spiffeId: SpiffeId.parse(WEB),
  tenant: { trustDomain: TrustDomain.parse('example.org'), name: 'acme' },
  method: 'GET',
  route: '/orders/:id',
  attributes: {},
})

const CEDAR = `permit(principal == Workload::"${WEB}", action == Action::"GET /orders/:id", resource);`

/** What engines cost, and others beside them. What cannot be had is left out, with the reason. */
export interface EngineResults {
  readonly costs: readonly Cost[]
  readonly leftOut: readonly string[]
}

/** Each prepares cases; the ways to end what it started are collected in `ends`. */
type Preparation = (ends: (() => unknown)[]) => Promise<readonly Case[]>

const PREPARATIONS: Readonly<Record<string, Preparation>> = {
  'opa-wasm': async (ends) => {
    const file = fileURLToPath(new URL('fixtures/first.tar.gz', packages))
    return ours('opa-wasm', await opaWasm({ wasm: { file }, entrypoint: 'orders/allow' }), ends)
  },
  cedar: async (ends) => ours('cedar', await cedar({ policies: CEDAR }), ends),
  'cedar-wasm by itself': async () => {
    const load = createRequire(new URL('package.json', packages))
    const { isAuthorized } = load('@cedar-policy/cedar-wasm/nodejs') as {
      isAuthorized: (call: object) => { response?: { decision: string } }
    }
    const call = {
      principal: { type: 'Workload', id: WEB },
      action: { type: 'Action', id: 'GET /orders/:id' },
      resource: { type: 'Route', id: '/orders/:id' },
      context: {},
      policies: { staticPolicies: CEDAR },
      entities: [],
    }
    const decide = (): boolean => isAuthorized(call).response?.decision === 'allow'
    return [asserted({ name: 'cedar-wasm by itself, policies as text', call: decide })]
  },
  casbin: async () => {
    const folder = await cachedBuild({
      name: 'bench-authz',
      inputs: [CASBIN],
      say: (line) => void process.stderr.write(`casbin: ${line}\n`),
      build: async (output) => {
        const quiet = ['--silent', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts']
        const args = ['install', ...quiet, '--prefix', output, CASBIN]
        await runBuildTool('npm', args, { cwd: output })
      },
    })
    const load = createRequire(pathToFileURL(join(folder, 'package.json')))
    const { newEnforcer, newModelFromString, StringAdapter } = load('casbin') as Casbin
    const policies = Array.from({ length: 39 }, (_, at) => `p, ${WEB}-${at}, /orders/:id, GET`)
    const lines = [...policies, `p, ${WEB}, /orders/:id, GET`].join('\n')
    const enforcer = await newEnforcer(newModelFromString(CASBIN_MODEL), new StringAdapter(lines))
    const decide = (): boolean => enforcer.enforceSync(WEB, '/orders/:id', 'GET')
    return [asserted({ name: 'casbin, 40 policies', call: decide })]
  },
  Cerbos: async (ends) => {
    const port = await freePort()
    const daemon = await startCerbos(await cerbosProgram(), { port })
    ends.push(() => daemon.stop())
    const engine = authzen({
      url: `http://127.0.0.1:${port}`,
      timeoutMs: 10_000,
      evaluation: ({ spiffeId, method }) => ({
        subject: {
          type: 'spiffe',
          id: spiffeId.toString(),
          properties: { 'cerbos.roles': ['workload'] },
        },
        action: { name: method },
        resource: { type: 'route', id: '/orders/{id}', properties: { params: { id: '7' } } },
      }),
    })
    await answers(engine)
    return ours('authzen, of Cerbos on this machine', engine, ends)
  },
}

interface Casbin {
  readonly newModelFromString: (text: string) => object
  readonly StringAdapter: new (lines: string) => object
  readonly newEnforcer: (
    model: object,
    adapter: object,
  ) => Promise<{ enforceSync(...request: readonly string[]): boolean }>
}

const CASBIN_MODEL = `
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act`

export async function costsOfEngines(): Promise<EngineResults> {
  const cases: Case[] = []
  const leftOut: string[] = []
  const ends: (() => unknown)[] = []
  try {
    for (const [name, prepare] of Object.entries(PREPARATIONS)) {
      try {
        cases.push(...(await prepare(ends)))
      } catch (error) {
        leftOut.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return { costs: await costsOf(cases), leftOut }
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

/** An engine of the package: each question asked, and behind the cache. */
async function ours(
  name: string,
  engine: Engine,
  ends: (() => unknown)[],
): Promise<readonly Case[]> {
  const use = { engine: engine.name, maxAgeMs: 3_600_000 } as const
  const rule = { anyAuthenticated: true, engines: [use] } as const
  const gate = await gateOf({ orders: rule }, { engines: [engine], clock: () => 1_000_000 })
  ends.push(() => gate.app.close())
  // Asked of the engine as the rule of its route does, but by a gate that finds the answer in its memory.
  const request = gate.request('orders', WEB)
  if (!(await engine.decide(QUESTION, { signal }))) throw new Error(`${name} refuses`)
  const isAnsweredAtOnce = (): boolean => gate.pass(request)
  for (let attempt = 0; !isAnsweredAtOnce() && attempt < 1000; attempt++) {
    await new Promise(setImmediate)
  }
  if (!isAnsweredAtOnce()) throw new Error(`${name} is not remembered`)
  return [
    { name: `${name}, bare`, call: () => engine.decide(QUESTION, { signal }) },
    { name: `${name}, remembered`, call: isAnsweredAtOnce },
  ]
}

async function answers(engine: Engine): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await engine.decide(QUESTION, { signal })
      return
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function asserted(subject: Case): Case {
  if (subject.call(0) !== true) throw new Error(`${subject.name} refuses`)
  return subject
}
