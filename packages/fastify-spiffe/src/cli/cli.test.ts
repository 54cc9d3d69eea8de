import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { X509Source } from '@fastify-spiffe/workload-api'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseCommand } from './command.ts'
import { UsageError } from './usage.ts'

const main = fileURLToPath(new URL('./main.js', import.meta.url))

// The temporary folder of the test and of the processes that it starts.
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fs-cli-'))
})

afterAll(() => rm(directory, { recursive: true }))

const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: directory, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const child = start(args, env)
  const [out, error, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { out, error, code: Number(code) }
}

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> => {
  const exit = once(child, 'exit')
  child.kill(signal)
  return exit
}

/** Starts `dev` and waits until it has printed the address of each workload. */
const startDev = async (args: readonly string[], workloads: number) => {
  const child = start(['dev', ...args])
  const warning = text(child.stderr)
  const lines: string[] = []
  const addresses = new Map<string, string>()
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    const address = /^SPIFFE_ENDPOINT_SOCKET=(?<address>.+)$/.exec(line)?.groups?.['address']
    if (address !== undefined) addresses.set(lines.at(-2)!, address)
    if (addresses.size === workloads) break
  }
  return { child, warning, addresses }
}

describe('fastify-spiffe dev', () => {
  test('gives each workload an SVID of its own over the Workload API, and rotates it by itself', async () => {
    const sockets = join(directory, 'sockets')
    const workloads = ['/acme/web', 'spiffe://acme.test/acme/orders', '/acme/web']
    const { child, warning, addresses } = await startDev(
      ['--trust-domain', 'acme.test', '--directory', sockets, '--svid-ttl', '2s'].concat(
        workloads.flatMap((workload) => ['--workload', workload]),
      ),
      2,
    )
    expect([...addresses]).toEqual([
      ['# spiffe://acme.test/acme/web', `unix://${sockets}/acme/web.sock`],
      ['# spiffe://acme.test/acme/orders', `unix://${sockets}/acme/orders.sock`],
    ])
    for (const [comment, address] of addresses) {
      await using source = await X509Source.open({ address })
      const { svid } = source
      expect(`# ${String(svid?.spiffeId)}`).toBe(comment)
      await source.nextUpdate()
      expect(source.svid?.equals(svid!)).toBe(false)
    }

    expect(await end(child, 'SIGTERM')).toEqual([0, null])
    expect(await warning).toContain('DEVELOPMENT ONLY')
    expect(await readdir(join(sockets, 'acme'))).toEqual([])
  })

  test('by default serves the two workloads of the README, in a folder that goes with it', async () => {
    const { child, addresses } = await startDev([], 2)
    expect([...addresses.keys()]).toEqual([
      '# spiffe://example.org/acme/orders',
      '# spiffe://example.org/acme/web',
    ])
    expect(await end(child, 'SIGINT')).toEqual([0, null])
    const left = await readdir(directory)
    expect(left.filter((name) => name.startsWith('fastify-spiffe-'))).toEqual([])
  })

  test('does not run in production', async () => {
    const { code, out, error } = await run(['dev'], { NODE_ENV: 'production' })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toContain('NODE_ENV')
  })
})

describe('fastify-spiffe', () => {
  test('ends with 2 when it does not understand, and says where help is', async () => {
    const { code, out, error } = await run(['dev', '--svid-ttl', 'soon'])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(error).toContain("'soon'")
    expect(error).toContain('--help')
  })

  test.each([
    [[], 'no command'],
    [['serve'], "'serve'"],
    [['dev', 'more'], "'more'"],
    [['dev', '--trust', 'x'], "'--trust'"],
    [['dev', '--workload'], '--workload'],
    [['dev', '--trust-domain', 'Example.org'], '"Example.org"'],
    [['dev', '--workload', '/acme/../web'], 'spiffe://example.org/acme/../web'],
    [['dev', '--workload', 'spiffe://example.org'], 'spiffe://example.org'],
    [['dev', '--workload', 'spiffe://other.org/web'], 'spiffe://other.org/web'],
    [['dev', '--svid-ttl', '1 hour'], "'1 hour'"],
    [['dev', '--svid-ttl', '0s'], "'0s'"],
    [['dev', '--svid-ttl', '9000h'], "'9000h'"],
  ])('names what is wrong: %j', (args, named) => {
    const parse = () => parseCommand(args)
    expect(parse).toThrow(UsageError)
    expect(parse).toThrow(named)
  })

  test('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({
      code: 0,
      error: '',
      out: expect.stringContaining('DEVELOPMENT ONLY'),
    })
    expect(await run(['dev', '-h'])).toMatchObject({ code: 0 })
    expect(await run(['--version'])).toEqual({
      code: 0,
      error: '',
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })
})
