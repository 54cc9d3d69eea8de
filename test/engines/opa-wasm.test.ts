import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EngineRequest } from '@fastify-spiffe/policy'
import { opa } from '@fastify-spiffe/policy/opa'
import { opaWasm } from '@fastify-spiffe/engine-opa-wasm'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../spire/fixture/index.ts'
import { Daemon } from '../spire/fixture/daemon.ts'
import { freePort } from '../spire/fixture/port.ts'
import { runBuildTool } from '../support/build-tool.ts'
import { opaProgram } from './opa/program.ts'
import { prepare } from './support/left-out.ts'

const FIXTURES = fileURLToPath(
  new URL('../../../packages/engine-opa-wasm/fixtures/', import.meta.url),
)
const FIRST = ['allow', 'silent', 'word', 'conflict', 'mixed', 'same', 'resolved']
const BUNDLES = [
  ['first', FIRST],
  ['second', ['allow']],
] as const

/** Callers, methods, routes and headers, each with each. */
const QUESTIONS: readonly EngineRequest[] = ['acme/web', 'zenith/web', 'ops/root'].flatMap(
  (workload) =>
    ['GET', 'PUT'].flatMap((method) =>
      ['/orders/:id', '/orders'].flatMap((route) =>
        ['a', 'b', undefined].map((right) => {
          const spiffeId = SpiffeId.parse(`spiffe://example.org/${workload}`)
          const [name = ''] = workload.split('/')
          const tenant = { trustDomain: spiffeId.trustDomain, name }
          const attributes = { 'headers.left': 'a', 'headers.right': right }
          return { spiffeId, tenant, method, route, attributes }
        }),
      ),
    ),
)

const preparation = await prepare(opaProgram)
if (preparation.state === 'ready') {
  describe('Rego that OPA compiles', () => testCompiled(preparation.program))
} else {
  test.skip(`Rego that OPA compiles is left out: ${preparation.reason}`, () => undefined)
}

function testCompiled(program: string): void {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'opa-wasm-'))
  })
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  test.each(BUNDLES)('is what the package is tested with: %s', async (name, rules) => {
    const bundle = join(directory, `${name}.tar.gz`)
    const entrypoints = rules.flatMap((rule) => ['-e', `orders/${rule}`])
    const target = ['-t', 'wasm', '--revision', name, '-o', bundle, ...entrypoints]
    await runBuildTool(program, ['build', ...target, 'policy.rego', name], { cwd: FIXTURES })
    const answers = async (file: string): Promise<readonly string[]> => {
      const all: string[] = []
      for (const rule of rules) all.push(...(await answersOf(file, `orders/${rule}`)))
      return all
    }
    const committed = await answers(join(FIXTURES, `${name}.tar.gz`))
    expect(new Set(committed)).toEqual(
      new Set(
        name === 'first'
          ? ['true', 'false', 'invalid-answer', 'invalid-policy']
          : ['true', 'false'],
      ),
    )
    expect(await answers(bundle)).toEqual(committed)
  })

  test('decides as a server does that has the same policies and data', async () => {
    const port = await freePort()
    const files = ['policy.rego', 'first'].map((it) => join(FIXTURES, it))
    const flags = ['--disable-telemetry', '--log-level', 'error', '--addr', `127.0.0.1:${port}`]
    const server = new Daemon('opa', program, ['run', '--server', ...flags, ...files])
    try {
      const inProcess = await opaWasm({
        wasm: { file: join(FIXTURES, 'first.tar.gz') },
        entrypoint: 'orders/allow',
      })
      const asked = opa({ url: `http://127.0.0.1:${port}`, path: 'orders/allow' })
      await until('it answers', async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)
        return answer?.ok === true
      })
      const answers = await Promise.all(
        QUESTIONS.map(async (it) => asked.decide(it, new AbortController())),
      )
      expect(new Set(answers)).toEqual(new Set([true, false]))
      expect(QUESTIONS.map((it) => inProcess.decide(it))).toEqual(answers)
      await asked.close?.()
      inProcess.close()
    } finally {
      await server.stop('SIGKILL')
    }
  })
}

/** What becomes of each question, or of the boot. */
async function answersOf(file: string, entrypoint: string): Promise<readonly string[]> {
  const wasm = { bytes: await readFile(file) }
  const engine = await opaWasm({ wasm, entrypoint }).catch(codeOf)
  if (typeof engine === 'string') return [engine]
  return QUESTIONS.map((question) => {
    try {
      return String(engine.decide(question))
    } catch (error) {
      return codeOf(error)
    }
  })
}

const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code'))
