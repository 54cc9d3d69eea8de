import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const TEST_FOLDER = fileURLToPath(new URL('../../', import.meta.url))

/**
 * A service whose system has no watch free. It reloads a policy document and the bundle of an engine all the same, and says
 * what happened.
 */
const SERVICE = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { once } from 'node:events'
import { subscribe } from 'node:diagnostics_channel'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
const code = process.env.CODE
fs.watch = () => { throw Object.assign(new Error(code), { code }) }
syncBuiltinESMExports()
// The polls of two seconds come at once. How often they come, file-watcher.test.ts says.
const wait = globalThis.setTimeout
globalThis.setTimeout = (callback, delayMs, ...args) => wait(callback, delayMs === 2000 ? 20 : delayMs, ...args)
const [{ default: Fastify }, { peer }, { authz }, { opaWasm }] = await Promise.all(
  ['fastify', '@fastify-spiffe/peer', '@fastify-spiffe/authz', '@fastify-spiffe/engine-opa-wasm'].map((name) => import(name)),
)
const folder = fs.mkdtempSync(join(tmpdir(), 'no-watch-free-'))
const policy = join(folder, 'policy.json'), bundle = join(folder, 'bundle.tar.gz')
const writePolicy = (version) => {
  fs.writeFileSync(policy + '.next', JSON.stringify({ version, routes: { 'GET /x': { public: { reason: 'test' } } } }))
  fs.renameSync(policy + '.next', policy)
}
const next = (channel) => new Promise((resolve) => subscribe(channel, (event) => resolve(event.version)))
const warnings = []
process.on('warning', ({ code }) => warnings.push(code))
const logged = []
try {
  writePolicy('v1')
  fs.copyFileSync(process.env.FIRST, bundle)
  const engine = await opaWasm({ wasm: { file: bundle }, entrypoint: 'orders/allow', watch: true })
  const stream = { write: (line) => void logged.push(JSON.parse(line).code) }
  const app = Fastify({ logger: { level: 'warn', stream } })
  await app.register(peer)
  await app.register(authz, { policy: { file: policy, watch: true }, engines: [engine] })
  app.get('/x', () => 'x')
  await app.ready()
  const before = engine.policyVersion()
  const changes = [next('spiffe:authz:policy'), next('spiffe:authz:engine-policy')]
  writePolicy('v2')
  fs.copyFileSync(process.env.SECOND, bundle)
  const alive = setInterval(() => undefined, 1000)
  const [version, after] = await Promise.all(changes)
  clearInterval(alive)
  await app.close()
  console.log(JSON.stringify({ version, isOtherBundle: after !== before, warnings, logged }))
} finally {
  fs.rmSync(folder, { recursive: true })
}
`

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../packages/engine-opa-wasm/fixtures/${name}`, import.meta.url))

test.each(['ENOSPC', 'EMFILE'])(
  'a service whose system has no watch free (%s) starts, says so once, and reloads',
  async (code) => {
    const env = {
      ...process.env,
      CODE: code,
      FIRST: fixture('first.tar.gz'),
      SECOND: fixture('second.tar.gz'),
    }
    const args = ['--input-type=module', '--eval', SERVICE]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: TEST_FOLDER, env })
    expect(JSON.parse(stdout)).toEqual({
      version: 'v2',
      isOtherBundle: true,
      warnings: ['SPIFFE_AUTHZ_WATCH_UNAVAILABLE'],
      logged: ['SPIFFE_AUTHZ_WATCH_UNAVAILABLE'],
    })
  },
)
