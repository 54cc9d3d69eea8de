// Packs every package, installs the tarballs with npm into an empty folder outside the workspace, and there
// compiles and runs the README's example as a user would: on this Node, and on $NODE_26 where it is given, with the
// newest Fastify and with the oldest that the packages say they work with.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fastify-spiffe-packed-'))
// Without what pnpm tells the npm below it: a user has none of that.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)),
)
const run = (command, args, cwd = folder) =>
  execFileSync(command, args, { cwd, env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
const say = (line) => process.stdout.write(`${line}\n`)

/** The version of a tool that the workspace pins, so that both are compiled by the same compiler. */
function pinned(name) {
  const catalog = readFileSync(join(workspace, 'pnpm-workspace.yaml'), 'utf8')
  const version = new RegExp(`^  '?${name}'?: (\\S+)$`, 'm').exec(catalog)?.[1]
  if (version === undefined) throw new Error(`${name} is not in the workspace's catalog`)
  return `${name}@${version}`
}

/** The first ts block of the README, made into a service that says when it listens and answers one caller. */
function example() {
  const readme = readFileSync(join(workspace, 'README.md'), 'utf8')
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (block === undefined) throw new Error('the README has no ts block')
  return block
}

/** Starts the packed development authority and gives the sockets of its workloads, in order. */
async function startAuthority(node, workloads) {
  const args = [
    join(folder, 'node_modules/@fastify-spiffe/cli/bin/fastify-spiffe.js'),
    'dev',
    '--directory',
    join(folder, 'run'),
  ]
  const child = spawn(node, [...args, ...workloads.flatMap((path) => ['--workload', path])], {
    cwd: folder,
  })
  child.stderr.pipe(process.stderr)
  let output = ''
  const addresses = () =>
    [...output.matchAll(/SPIFFE_ENDPOINT_SOCKET=(\S+)/g)].map((match) => match[1])
  for await (const chunk of child.stdout) {
    output += chunk
    if (addresses().length >= workloads.length) break
  }
  if (addresses().length < workloads.length) throw new Error(`the authority said: ${output}`)
  return { addresses: addresses(), stop: () => stop(child) }
}

async function stop(child) {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function runExample(node) {
  const authority = await startAuthority(node, ['/acme/orders', '/acme/web'])
  const [server, caller] = authority.addresses
  try {
    const env = { ...environment, PORT: '0', SPIFFE_ENDPOINT_SOCKET: server, CALLER_SOCKET: caller }
    execFileSync(node, [join(folder, 'dist/check.js')], {
      cwd: folder,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: 60_000,
    })
  } finally {
    await authority.stop()
  }
}

try {
  run(
    'npx',
    ['-y', 'pnpm@10', '-r', '--filter', './packages/*', 'pack', '--pack-destination', folder],
    workspace,
  )
  const tarballs = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  run('npm', [
    'install',
    '--silent',
    '--no-audit',
    '--no-fund',
    ...tarballs.map((file) => `./${file}`),
    pinned('typescript'),
    pinned('@types/node'),
  ])

  mkdirSync(join(folder, 'src'))
  // The example as it stands, then one call from an allowed workload over real mTLS.
  writeFileSync(
    join(folder, 'src/check.ts'),
    `${example()}
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { SvidAgent } from '@fastify-spiffe/tls'
import { id } from 'fastify-spiffe'

const { port } = app.server.address() as AddressInfo
const caller = await X509Source.open({ address: process.env['CALLER_SOCKET']! })
const agent = new SvidAgent({ source: caller, server: id('spiffe://example.org/acme/orders') })
const response = await new Promise<IncomingMessage>((resolve, reject) => {
  https.get({ host: '127.0.0.1', port, path: '/orders', agent }, resolve).on('error', reject)
})
const body = await text(response)
if (response.statusCode !== 200 || body !== 'hello spiffe://example.org/acme/web') throw new Error(\`\${response.statusCode} \${body}\`)
console.log(\`node \${process.version}: \${response.statusCode} \${body}\`)
agent.destroy()
await app.close()
await Promise.all([caller.close(), source.close()])
`,
  )
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        target: 'es2022',
        module: 'nodenext',
        types: ['node'],
        outDir: 'dist',
        rootDir: 'src',
      },
      include: ['src'],
    }),
  )
  for (const fastify of ['^5.0.0', '5.0.0']) {
    run('npm', ['install', '--silent', '--no-audit', '--no-fund', `fastify@${fastify}`])
    execFileSync('npx', ['tsc'], {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    say(`fastify ${fastify}: compiled under strict, with skipLibCheck off`)
    for (const node of [process.execPath, process.env.NODE_26].filter((path) => path !== undefined))
      await runExample(node)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
