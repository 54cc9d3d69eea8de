import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import fastifySpiffe, { matchId, spiffeServer, SvidAgent } from './index.ts'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'

let authority: Authority
let source: InProcessSource

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source(ORDERS)
})

afterAll(() => authority.close())

/** Calls as a workload, on a new connection, and only a server that proves to be the right one. */
async function callAs(caller: string, url: string): Promise<{ status: number; body: string }> {
  await using own = await authority.source(caller)
  const agent = new SvidAgent({ source: own, server: matchId(ORDERS) })
  const [response] = await once(https.get(url, { agent }), 'response')
  return { status: response.statusCode, body: await text(response) }
}

async function boot(options: object, app = Fastify(spiffeServer(source))) {
  await using closing = app
  await closing.register(fastifySpiffe, { source, ...options })
}

describe('fastifySpiffe', () => {
  test('is svid, peer and authz in one: a live SVID, a proven caller, a rule for each route', async () => {
    await using app = Fastify(spiffeServer(source))
    await app.register(fastifySpiffe, { source, tenant: '/{tenant}/{workload}' })
    app.get(
      '/orders',
      { config: { spiffe: { allow: [WEB] } } },
      (request) => `hello ${String(request.spiffeId)} of ${request.tenant?.name ?? 'nobody'}`,
    )
    const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/orders`

    expect(await callAs(WEB, url)).toEqual({ status: 200, body: `hello ${WEB} of acme` })
    expect(await callAs('spiffe://example.org/acme/batch', url)).toMatchObject({ status: 403 })
    expect(app.svid).toMatchObject({ spiffeId: source.svid!.spiffeId, generation: 1 })
  })

  test('does not boot with a route that nobody may call', async () => {
    await using app = Fastify(spiffeServer(source))
    await app.register(fastifySpiffe, { source })
    app.get('/forgotten', () => 'never')
    await expect(app.ready()).rejects.toMatchObject({
      code: 'uncovered-routes',
      routes: [expect.objectContaining({ method: 'GET', url: '/forgotten' })],
    })
  })

  test('refuses an option that none of the three knows, a server that is not ours, another source', async () => {
    await using other = await authority.source(ORDERS)
    await expect(boot({ tennant: '/{tenant}/*' })).rejects.toMatchObject({ code: 'unknown-option' })
    await expect(boot({ logSpiffeId: 1 })).rejects.toMatchObject({ code: 'invalid-option' })
    await expect(boot({ source: other })).rejects.toMatchObject({ code: 'source-mismatch' })
    await expect(boot({}, Fastify({ https: {} }))).rejects.toMatchObject({
      code: 'not-a-spiffe-server',
    })
  })

  test('gives each of the three its options', async () => {
    const own = await authority.source(ORDERS)
    let now = Date.now()
    const lines: object[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const app = Fastify({ ...spiffeServer(own), logger: { level: 'info', stream } })
    await app.register(fastifySpiffe, {
      source: own,
      closeSource: true,
      logSpiffeId: false,
      clock: () => now,
    })
    app.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'served')
    const url = await app.listen({ host: '127.0.0.1', port: 0 })

    expect((await callAs(WEB, url)).status).toBe(200)
    expect(lines.filter((line) => 'spiffeId' in line)).toEqual([])
    now += 86_400_000
    expect((await callAs(WEB, url)).status).toBe(401)
    await app.close()
    expect(own.state).toBe('closed')
  })
})

test('a service that imports the package loads no authority and no certificate library', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fastify-spiffe-'))
  try {
    const module = new URL('./index.js', import.meta.url).href
    const child = spawn(process.execPath, ['--input-type=module', '-e', `import '${module}'`], {
      // V8 lists every script that it has compiled.
      env: { ...process.env, NODE_V8_COVERAGE: directory },
      stdio: 'inherit',
    })
    expect(await once(child, 'exit')).toEqual([0, null])
    const [report = ''] = await readdir(directory)
    const { result }: { result: { url: string }[] } = JSON.parse(
      await readFile(join(directory, report), 'utf8'),
    )
    const loaded = result.map(({ url }) => url)
    expect(loaded).toContain(module)
    expect(loaded.filter((url) => /@peculiar|reflect-metadata|\/authority\//.test(url))).toEqual([])
  } finally {
    await rm(directory, { recursive: true })
  }
})
