import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { JwtSource, X509Source } from '@fastify-spiffe/workload-api'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseCommand } from './command.ts'
import { runCommand } from './run.ts'
import { table } from './table.ts'
import { UsageError } from './usage.ts'

const main = fileURLToPath(new URL('./main.js', import.meta.url))

// The temporary folder of the test and of the processes that it starts.
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fs-cli-'))
})

afterAll(() => rm(directory, { recursive: true }))

/** Starts a process of its own, for what is about processes: signals, and how they end. */
function start(args: readonly string[]) {
  return spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A command that does not end fails its test, and does not outlive it.
    timeout: 25_000,
  })
}

async function runProcess(args: readonly string[]) {
  const child = start(args)
  const [out, error, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { out, error, code: code ?? signal }
}

/** Runs a command in the process of the tests. */
async function run(args: readonly string[]) {
  const context = contextOf()
  const { exitCode } = await runCommand(args, context)
  return { out: context.stdout.text, error: context.stderr.text, code: exitCode }
}

function contextOf() {
  return { stdout: output(), stderr: output(), signals: new EventEmitter() }
}

/** Keeps what is written, and emits each line by its text. */
function output() {
  const kept = Object.assign(new EventEmitter(), {
    text: '',
    write(chunk: string): void {
      kept.text += chunk
      for (const line of chunk.split('\n')) kept.emit(line.trim())
    },
  })
  return kept
}

/** Environment variables that have a value until it is disposed. */
function withEnvironment(variables: Readonly<Record<string, string>>): Disposable {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, variables)
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const exit = once(child, 'exit')
  child.kill(signal)
  return exit
}

/** Starts `dev` and waits until it has printed the address of each workload. */
async function startDev(args: readonly string[], workloads: number) {
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

describe('dev', () => {
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
    const rotated = [...addresses].map(async ([comment, address]) => {
      await using source = await X509Source.open({ address })
      const { svid } = source
      expect(`# ${String(svid?.spiffeId)}`).toBe(comment)
      await source.nextUpdate()
      expect(source.svid?.equals(svid!)).toBe(false)
      await using tokens = await JwtSource.open({ address })
      const { spiffeId } = await tokens.fetchJwtSvid({ audience: 'orders' })
      expect(`# ${spiffeId.toString()}`).toBe(comment)
    })
    await Promise.all(rotated)

    expect(await end(child, 'SIGTERM')).toEqual([0, null])
    expect(await warning).toContain('DEVELOPMENT ONLY')
    expect(await readdir(join(sockets, 'acme'))).toEqual([])
  })

  test('by default serves the two workloads of the README, in a folder that goes with it', async () => {
    using _ = withEnvironment({ TMPDIR: directory })
    const folders = async () =>
      (await readdir(directory)).filter((name) => name.startsWith('fastify-spiffe-'))
    const context = contextOf()
    const ended = runCommand(['dev'], context)
    await Promise.race([ended, once(context.stderr, 'Press Ctrl-C to stop.')])
    const [folder] = await folders()
    expect(context.stdout.text.split('\n')).toEqual([
      '# spiffe://example.org/acme/orders',
      `SPIFFE_ENDPOINT_SOCKET=unix://${directory}/${folder}/acme/orders.sock`,
      '# spiffe://example.org/acme/web',
      `SPIFFE_ENDPOINT_SOCKET=unix://${directory}/${folder}/acme/web.sock`,
      '',
    ])
    context.signals.emit('SIGINT')
    expect(await ended).toEqual({ exitCode: 0, mustExit: false })
    expect(await folders()).toEqual([])
  })

  test('gives workloads of several trust domains the bundles of all', async () => {
    const sockets = join(directory, 'federated')
    const context = contextOf()
    const workloads = ['--workload', '/orders', '--workload', 'spiffe://partner.test/orders']
    const names = ['--trust-domain', 'shop.test', '--federate', 'partner.test']
    const args = ['dev', ...names, ...workloads, '--directory', sockets]
    const ended = runCommand(args, context)
    await Promise.race([ended, once(context.stderr, 'Press Ctrl-C to stop.')])
    for (const own of ['shop.test', 'partner.test']) {
      const address = `unix://${sockets}/${own}/orders.sock`
      expect(context.stdout.text).toContain(
        `# spiffe://${own}/orders\nSPIFFE_ENDPOINT_SOCKET=${address}\n`,
      )
      await using source = await X509Source.open({ address })
      expect(source.svid?.spiffeId.toString()).toBe(`spiffe://${own}/orders`)
      const known = Array.from(source.bundles, ({ trustDomain }) => trustDomain.name)
      expect(new Set(known)).toEqual(new Set(['shop.test', 'partner.test']))
    }
    context.signals.emit('SIGTERM')
    expect(await ended).toEqual({ exitCode: 0, mustExit: false })
  })

  test('does not run in production', async () => {
    using _ = withEnvironment({ NODE_ENV: 'production' })
    const { code, out, error } = await run(['dev'])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toContain('NODE_ENV')
  })
})

function order(allow: string): string {
  return `app.put('/orders/:id', { config: { spiffe: { allow: [${allow}] } } }, () => 'in')`
}

describe('table', () => {
  const require = createRequire(import.meta.url)
  const fastify = pathToFileURL(require.resolve('fastify')).href
  const authz = pathToFileURL(require.resolve('@fastify-spiffe/authz')).href
  const peer = pathToFileURL(require.resolve('@fastify-spiffe/peer')).href
  const svid = pathToFileURL(require.resolve('@fastify-spiffe/svid')).href
  const authority = pathToFileURL(require.resolve('@fastify-spiffe/authority')).href
  const WEB = 'spiffe://example.org/acme/web'

  /** A module with an application that has these routes. */
  const moduleWith = async (
    name: string,
    routes: string,
    exports: string,
    server = '',
  ): Promise<string> => {
    const path = join(directory, `${name}.mjs`)
    const source = `
      import Fastify from '${fastify}'
      import { authz } from '${authz}'
      import { peer } from '${peer}'
      export let closed = 0
      const make = async () => {
        const app = Fastify(${server})
        await app.register(peer)
        await app.register(authz)
        app.addHook('onClose', async () => void closed++)
        ${routes}
        return app
      }
      ${exports}`
    await writeFile(path, source)
    return path
  }

  test('prints who may call what, as Markdown, JSON and OpenAPI, and closes the application', async () => {
    const path = await moduleWith('made', order(`'${WEB}'`), 'export default make')
    expect(await run(['table', path])).toEqual({
      code: 0,
      error: '',
      out: expect.stringContaining(`| PUT | \`/orders/:id\` | \`${WEB}\` |`),
    })
    expect(JSON.parse((await run(['table', '--json', path])).out)).toMatchObject({
      routes: [{ method: 'PUT', route: '/orders/:id', allow: [WEB] }],
    })
    expect(JSON.parse((await run(['table', '--openapi', path])).out)).toMatchObject({
      paths: { '/orders/{id}': { put: { 'x-spiffe-authz': [{ allow: [WEB] }] } } },
    })
    expect(await import(pathToFileURL(path).href)).toMatchObject({ closed: 3 })
  })

  test('ends when the table is out, whatever the module has left open: a listener, timers, a long pipe', async () => {
    const many = `for (let i = 0; i < 1500; i++) ${order(`'${WEB}'`).replace("'/orders/:id'", '`/orders/${i}`')}`
    const hook = "app.addHook('onClose', async () => console.error('closed'))"
    const open = `
      import { createServer } from 'node:net'
      import { Authority } from '${authority}'
      import { spiffeServer } from '${svid}'
      const authority = await Authority.create({ trustDomain: 'example.org' })
      const source = await authority.source('${WEB}')
      await new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve))
      setInterval(() => {}, 1000)
      export const app = await make()
      await app.listen({ host: '127.0.0.1', port: 0 })`
    const path = await moduleWith('listening', `${many}; ${hook}`, open, 'spiffeServer(source)')
    const { code, out, error } = await runProcess(['table', path, '--export', 'app'])
    expect({ code, error }).toEqual({ code: 0, error: 'closed\n' })
    // More than a pipe holds.
    expect(Buffer.byteLength(out)).toBeGreaterThan(100_000)
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/\| PUT .*\|$/)
  })

  test('ends with 1 where it fails, whatever the module has left open', async () => {
    const forgotten = "app.get('/forgotten', () => 'in'); setInterval(() => {}, 1000)"
    const path = await moduleWith('failing', forgotten, 'export default make')
    const { code, out, error } = await runProcess(['table', path])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toContain('/forgotten')
  })

  test('does not wait for ever for an application to close, and says so', async () => {
    const hook = "app.addHook('onClose', () => new Promise(() => {}))"
    const path = await moduleWith(
      'unclosed',
      `${order(`'${WEB}'`)}; ${hook}`,
      'export default make',
    )
    const { stdout, stderr, signals } = contextOf()
    const command = { name: 'table', module: path, exportName: 'default' } as const
    await table({ ...command, format: 'markdown' }, { stdout, stderr, signals }, 10)
    expect(stdout.text).toContain('/orders/:id')
    expect(stderr.text).toContain('has not closed within 0.01 s')
  })

  test('takes an instance as well, under any name', async () => {
    const path = await moduleWith('instance', order(`'${WEB}'`), 'export const app = await make()')
    const { code, out } = await run(['table', path, '--export', 'app'])
    expect([code, out]).toEqual([0, expect.stringContaining('/orders/:id')])
  })

  test.each([
    [
      'a route has no rule',
      "app.get('/forgotten', () => 'in')",
      'export default make',
      '/forgotten',
    ],
    ['it exports something else', '', 'export default 7', "'default'"],
    ['it exports nothing of that name', '', 'export const app = 7', "'default'"],
  ])('ends with 1 when %s', async (name, routes, exports, named) => {
    const path = await moduleWith(name.replaceAll(' ', '-'), routes, exports)
    const { code, out, error } = await run(['table', path])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toContain(named)
  })

  test('ends with 1 when the application does not have the plugin, and closes it', async () => {
    const path = join(directory, 'bare.mjs')
    const source = `
      import Fastify from '${fastify}'
      export const app = Fastify()
      export let closed = 0
      app.addHook('onClose', async () => closed++)`
    await writeFile(path, source)
    const { code, error } = await run(['table', path, '--export', 'app'])
    expect([code, error]).toEqual([1, expect.stringContaining('authz')])
    expect(await import(pathToFileURL(path).href)).toMatchObject({ closed: 1 })
  })

  test('table-diff tells what differs, and ends with 0 for the same, 1 for a difference, 2 for trouble', async () => {
    const file = async (name: string, routes: string): Promise<string> => {
      const { out } = await run([
        'table',
        '--json',
        await moduleWith(name, routes, 'export default make'),
      ])
      await writeFile(join(directory, `${name}.json`), out)
      return join(directory, `${name}.json`)
    }
    const gone = `app.post('/gone', { config: { spiffe: { anyAuthenticated: true } } }, () => 'in')`
    const [before, after] = [
      await file('before', `${order(`'${WEB}'`)}; ${gone}`),
      await file('after', `${order(`'${WEB}', '${WEB}2'`)}; ${gone.replace('gone', 'new')}`),
    ]
    expect(await run(['table-diff', before, before])).toEqual({ code: 0, out: '', error: '' })
    const { code, out } = await run(['table-diff', before, after])
    expect(code).toBe(1)
    expect(out.split('\n')).toEqual([
      '+ POST /new',
      '    allow: ["anyAuthenticated"]',
      '    deny: []',
      '    tenant: null',
      '    where: []',
      '    engines: []',
      '    mode: "enforce"',
      '- POST /gone',
      '~ PUT /orders/:id',
      `    allow: ["${WEB}"] -> ["${WEB}","${WEB}2"]`,
      '',
    ])
    const inJson = await run(['table-diff', '--json', before, after])
    expect(inJson.code).toBe(1)
    expect(JSON.parse(inJson.out)).toMatchObject({ removed: [{ route: '/gone' }] })

    for (const [content, named] of [
      ['{', 'JSON'],
      ['{"routes":[{"method":"GET"}]}', 'not a table'],
      ['null', 'not a table'],
    ] as const) {
      const broken = join(directory, 'broken.json')
      await writeFile(broken, content)
      const trouble = await run(['table-diff', before, broken])
      expect([trouble.code, trouble.error]).toEqual([2, expect.stringContaining(named)])
    }
    expect((await run(['table-diff', before, join(directory, 'none.json')])).code).toBe(2)
  }, 30_000)
})

describe('the command line', () => {
  test('ends with 2 when it does not understand, and says where help is', async () => {
    const { code, out, error } = await runProcess(['dev', '--svid-ttl', 'soon'])
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
    [['dev', '--trust-domain', 'Example.org'], '"E"'],
    [['dev', '--workload', '/acme/../web'], 'spiffe://example.org/acme/../web'],
    [['dev', '--workload', 'spiffe://example.org'], 'spiffe://example.org'],
    [['dev', '--workload', 'spiffe://other.org/web'], 'spiffe://other.org/web'],
    [['dev', '--federate', 'example.org'], 'example.org'],
    [['dev', '--federate', 'Other.org'], '"O"'],
    [['dev', '--federate', '..'], '..'],
    [['dev', '--federate', 'other.org'], '--workload spiffe://other.org/'],
    [['dev', '--federate', 'other.org', '--federate', 'other.org'], 'other.org'],
    [['table', 'a.js', '--federate', 'other.org'], "'--federate'"],
    [['dev', '--svid-ttl', '1 hour'], "'1 hour'"],
    [['dev', '--svid-ttl', '0s'], "'0s'"],
    [['dev', '--svid-ttl', '9000h'], "'9000h'"],
    [['dev', '--json'], "'--json'"],
    [['table'], "'table'"],
    [['table', 'a.js', 'b.js'], "'b.js'"],
    [['table', 'a.js', '--json', '--openapi'], '--openapi'],
    [['table', 'a.js', '--workload', '/acme/web'], "'--workload'"],
    [['table-diff', 'a.json'], "'table-diff'"],
    [['table-diff', 'a.json', 'b.json', 'c.json'], "'c.json'"],
    [['table-diff', 'a.json', 'b.json', '--markdown'], "'--markdown'"],
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
