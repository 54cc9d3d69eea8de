// Two replicas on clients of ioredis and a Redis of its own: what one is told to forget, the other forgets, and no more.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import { authz, peer } from 'fastify-spiffe'
import { redisBus } from 'fastify-spiffe/redis'
import { injectAs } from 'fastify-spiffe/test-kit'
import { Redis } from 'ioredis'

const ACME = 'spiffe://example.org/acme/web'
const GLOBEX = 'spiffe://example.org/globex/web'
const secret = 'a secret of sixteen or more characters'
const deadline = AbortSignal.timeout(30_000)

async function until(isSo) {
  while (!(await isSo())) {
    deadline.throwIfAborted()
    await turn()
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A replica, and the callers that its engine was asked about. */
async function replica(client) {
  const asked = []
  const decide = async ({ spiffeId }) => asked.push(String(spiffeId)) > 0
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, {
    tenant: '/{tenant}/{workload}',
    engines: [{ name: 'judge', cost: 'io', decide }],
    replicas: { bus: redisBus({ client, prefix: 'orders' }), secret },
  })
  const rule = { config: { spiffe: { anyAuthenticated: true, engines: ['judge'] } } }
  app.get('/', rule, () => 'in')
  await app.ready()
  const ask = async (caller) => {
    const { statusCode } = await injectAs(app, caller, '/')
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
    return asked
  }
  return { app, ask }
}

const isCurrent = ({ app }) => app.authz.replicas().state === 'current'

async function check(port) {
  const clients = [new Redis(port, '127.0.0.1'), new Redis(port, '127.0.0.1')]
  try {
    const [one, other] = await Promise.all(clients.map((client) => replica(client)))
    await until(() => isCurrent(one) && isCurrent(other))
    for (const caller of [ACME, GLOBEX, ACME, GLOBEX]) await other.ask(caller)
    const before = (await other.ask(ACME)).join()
    if (before !== [ACME, GLOBEX].join()) throw new Error(`remembers nothing: asked ${before}`)
    one.app.authz.invalidate({ trustDomain: 'example.org', name: 'acme' })
    await until(async () => (await other.ask(ACME)).length > 2)
    const after = (await other.ask(GLOBEX)).join()
    if (after !== [ACME, GLOBEX, ACME].join()) throw new Error(`forgets too much: asked ${after}`)
    await Promise.all([one.app.close(), other.app.close()])
  } finally {
    for (const client of clients) client.disconnect()
  }
}

const dir = mkdtempSync(join(tmpdir(), 'fastify-spiffe-redis-'))
const port = await freePort()
const args = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly']
const server = spawn('redis-server', [...args, 'no'].map(String), {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const exited = once(server, 'exit')
try {
  let output = ''
  server.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk))
  await until(() => /ready to accept connections/i.test(output))
  await check(port)
  process.stdout.write('  ioredis: what one replica invalidates, the other forgets\n')
} finally {
  server.kill('SIGKILL')
  await exited
  rmSync(dir, { recursive: true })
}
