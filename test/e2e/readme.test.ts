import { fork } from 'node:child_process'
import { once } from 'node:events'
import https, { type Server } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { id } from '@fastify-spiffe/spiffe'
import { createSvidServer, SvidAgent } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { compileReadmes, extractReadmes } from '../support/readme-examples.ts'
import type { RunnerMessage, RunnerWorld } from '../support/readme-runner.ts'

const ORDERS = 'spiffe://example.org/acme/orders'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const directory = join(root, 'test/dist/readme')
const runner = fileURLToPath(new URL('../support/readme-runner.js', import.meta.url))
const readmes = extractReadmes(root, directory)

let authority: Authority
let service: Server
let endpoint: string
let complaints: string

beforeAll(async () => {
  complaints = compileReadmes(directory)
  authority = await Authority.create({ trustDomain: 'example.org' })
  // The workload that the programs are; the second identity is one that a program picks.
  const identities = [{ spiffeId: ORDERS }, { spiffeId: 'spiffe://example.org/web' }]
  endpoint = (await authority.serve({ identities })).address
  // The service that they call.
  service = createSvidServer(await authority.source(ORDERS), {}, (_request, response) => {
    response.end('hello')
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
}, 60_000)

afterAll(async () => {
  service.close()
  await authority.close()
})

/** Runs programs in one process, and ends it when all have finished and `use` has resolved. */
const run = async (files: readonly string[], use?: (port: number) => Promise<void>) => {
  const world: RunnerWorld = {
    servicePort: portOf(service),
    endpointPath: fileURLToPath(endpoint.replace(/^unix:/, 'file:')),
  }
  const child = fork(runner, [JSON.stringify(world), ...files], {
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
    // Said where V8 needs its flag; see `v8CrashGuard` of @fastify-spiffe/authz/cedar.
    execArgv: ['--enable-source-maps', '--disable-warning=SPIFFE_AUTHZ_V8_FLAG'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  // A program that never finishes fails the test, and does not outlive it.
  const deadline = setTimeout(() => child.kill('SIGKILL'), 45_000)
  const error = text(child.stderr!)
  const exit = once(child, 'exit')
  const finished: string[] = []
  const uses: Promise<void>[] = []
  child.on('message', (message: RunnerMessage) => {
    if (message.event === 'finished') finished.push(message.file)
    else if (use !== undefined) uses.push(use(message.port))
    if (finished.length === files.length) {
      void Promise.allSettled(uses).then(() => child.connected && child.disconnect())
    }
  })
  const [code, signal] = await exit
  clearTimeout(deadline)
  await Promise.all(uses)
  return { end: code ?? signal, error: await error, finished }
}

const portOf = (server: Server): number => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return address.port
}

describe('the examples of the READMEs', () => {
  test('compile under strict', () => {
    expect(complaints).toBe('')
  })

  test('compile with what `fastify-spiffe` alone gives, and the authority beside it', () => {
    const folder = join(root, 'test/dist/readme-alone')
    const changed = extractReadmes(root, folder, (source) =>
      source.replaceAll(
        /'@fastify-spiffe\/(?!authority')[a-z-]+(?<subpath>(?:\/[a-z-]+)?)'/g,
        "'fastify-spiffe$<subpath>'",
      ),
    )
    expect(changed.length).toBe(readmes.length)
    expect(compileReadmes(folder)).toBe('')
  }, 60_000)

  test.each(readmes.map(({ path, programs }) => [path, programs] as const))(
    'run as they stand: %s',
    async (_path, programs) => {
      const files = programs.filter(({ noRun }) => noRun === null).map(({ file }) => file)
      expect(await run(files)).toEqual({ end: 0, error: '', finished: files })
    },
    60_000,
  )

  test('the first of all is a service that lets in whom its route names, and nobody else', async () => {
    const [first] = readmes.find(({ path }) => path === 'README.md')!.programs
    const answers: Record<string, string> = {}
    const callAs = async (workload: string, port: number): Promise<void> => {
      await using source = await authority.source(`spiffe://example.org/acme/${workload}`)
      const agent = new SvidAgent({ source, server: id(ORDERS) })
      const request = https.get(`https://127.0.0.1:${port}/orders`, { agent })
      const [response] = await once(request, 'response')
      answers[workload] = `${response.statusCode} ${await text(response)}`
    }
    const { end } = await run([first!.file], async (port) => {
      await callAs('web', port)
      await callAs('batch', port)
    })

    expect(end).toBe(0)
    expect(answers).toEqual({
      web: '200 hello spiffe://example.org/acme/web',
      batch: expect.stringMatching(/^403 /),
    })
  }, 60_000)
})
