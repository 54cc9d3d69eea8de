import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { SHORT_LIVED } from '../support/process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const program = join(root, 'examples/demo/dist/main.js')
const { SPIFFE_ENDPOINT_SOCKET: _, FORCE_COLOR: __, ...environment } = process.env

function demo(...args: string[]): ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> } {
  const child = spawn(process.execPath, [...SHORT_LIVED, program, ...args], {
    env: { ...environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return child
}

/** Registers the test where the tool is installed, and says so where it is not. */
function testWith(tool: string, name: string, body: () => void): void {
  if (spawnSync(tool, ['--version']).error === undefined) test(name, body, 30_000)
  else test.skip(`${name} (left out: there is no ${tool} on this machine)`, body)
}

test('the demo tells its whole story on the embedded authority', async () => {
  const child = demo()
  const exited = once(child, 'exit')
  const story = await text(child.stdout)

  expect(await exited).toEqual([0, null])
  const told = [
    /orders is spiffe:\/\/example\.org\/acme\/orders until \d{4}-/,
    /acme\/web .* 200 .* "hello spiffe:\/\/example\.org\/acme\/web"/,
    /globex\/billing -> orders .* 403/,
    /partner\.test\/shop\/web -> orders .* rejected at the handshake/,
    /after federation: .* 200 .* "hello spiffe:\/\/partner\.test\/shop\/web"/,
    /rotation 3: new connections are shown serial [0-9a-f]+/,
    /[1-9]\d* requests on one kept-alive connection, [1-9]\d* on fresh ones, 0 failed/,
    /the authority was rotated: [1-9]\d* requests meanwhile, 0 failed/,
    /the former one is still trusted: GET \/orders .* 200/,
    /the former authority was removed: the connection is closed \(GOAWAY\)/,
    /its last request is answered: GET \/report .* 200 .* "the report"/,
    /a new connection, with the new SVID: GET \/orders .* 200/,
    /second call: .* from the cache/,
    /after authz\.invalidate\(acme\): .* decided again/,
  ]
  for (const line of told) expect(story).toMatch(line)
  expect(new Set(story.match(/(?<=shown serial )[0-9a-f]+/g)).size).toBe(3)
}, 60_000)

describe('the demo service, called as the README shows', () => {
  const parent = mkdtempSync(join(tmpdir(), 'fastify-spiffe-demo-'))
  const directory = join(parent, 'svids')
  const planted = join(parent, 'planted')
  let child: ReturnType<typeof demo>
  let port: string

  beforeAll(async () => {
    mkdirSync(directory)
    chmodSync(directory, 0o755)
    writeFileSync(planted, 'open to all')
    symlinkSync(planted, join(directory, 'svid_key.pem.next'))
    child = demo('--serve', '--port', '0', '--directory', directory)
    port = await new Promise((resolve, reject) => {
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        const up = /https:\/\/127\.0\.0\.1:(\d+)[^]*SVID of .* is in/.exec(output)
        if (up?.[1] !== undefined) resolve(up[1])
      })
      child.once('exit', (code) => reject(new Error(`the demo ended with ${code}: ${output}`)))
    })
  }, 60_000)

  afterAll(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    rmSync(parent, { recursive: true })
  })

  /** A command of the README, on the port and folder of this run. */
  function shown(tool: string): string {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    const command = new RegExp(`^${tool} (?:.*\\\\\n)*.*$`, 'm').exec(readme)?.[0]
    if (command === undefined) throw new Error(`the README shows no ${tool}`)
    return command.replaceAll('8443', port).replaceAll('/tmp/svids', directory)
  }

  testWith('curl', 'curl gets an answer with the SVID of an allowed caller', () => {
    const { status, stdout } = spawnSync(shown('curl'), { shell: true, encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'hello spiffe://example.org/acme/web' })
  })

  testWith('curl', 'curl without a certificate gets no answer', () => {
    const command = shown('curl').replace(/--cert \S+ --key \S+/, '')
    const { status, stdout } = spawnSync(command, { shell: true, encoding: 'utf8' })
    expect(status).not.toBe(0)
    expect(stdout).toBe('')
  })

  testWith('openssl', 'openssl verifies the chain of the service against the bundle', () => {
    const { status, stdout } = spawnSync(shown('openssl'), { shell: true, encoding: 'utf8' })
    expect(status).toBe(0)
    expect(stdout).toMatch(/Verify(?: return code|ication): (?:0 \()?(?:ok|OK)/)
    expect(stdout).toMatch(/TLSv1\.3/)
  })

  test('the private key is readable by its owner alone, whatever lay in the folder before', () => {
    const key = lstatSync(join(directory, 'svid_key.pem'))
    expect([key.isFile(), key.mode & 0o777]).toEqual([true, 0o600])
    expect(readFileSync(planted, 'utf8')).toBe('open to all')
    // It may be any folder of the user's, which others are to read.
    expect(statSync(directory).mode & 0o777).toBe(0o755)
  })
})
