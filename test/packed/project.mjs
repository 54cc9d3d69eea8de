// What the steps of test:packed share: a project of its own outside the workspace, and commands that run in it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const workspace = fileURLToPath(new URL('../..', import.meta.url))
export const here = fileURLToPath(new URL('.', import.meta.url))
export const folder = mkdtempSync(join(tmpdir(), 'fastify-spiffe-packed-'))

/** What a service that installs `fastify-spiffe` does not get. */
export const APART = /\/(?:authority|bundle-endpoint|cli|fetch|engine-[a-z-]+|health)$/

// Without what pnpm tells the npm below it: a user has none of that.
export const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)),
)

export const say = (line) => process.stdout.write(`${line}\n`)

/** Runs a step, and says how long it took. */
export async function step(name, work) {
  const begin = performance.now()
  const result = await work()
  say(`${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  return result
}

/** Runs a command quietly; what it has to complain about is shown. */
export function run(command, args, cwd, env = {}) {
  execFileSync(command, args, {
    cwd,
    env: { ...environment, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 600_000,
  })
}

/** Runs a command whose output is for the reader. */
export function show(command, args, cwd, env = {}) {
  execFileSync(command, args, {
    cwd,
    env: { ...environment, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 600_000,
  })
}

/** The version of a tool that the workspace pins, so that both use the same one. */
export function pinned(name) {
  const catalog = readFileSync(join(workspace, 'pnpm-workspace.yaml'), 'utf8')
  const version = new RegExp(`^  '?${name}'?: (\\S+)$`, 'm').exec(catalog)?.[1]
  if (version === undefined) throw new Error(`${name} is not in the workspace's catalog`)
  return `${name}@${version}`
}

/** Makes a folder with a package.json, for an installation of its own. */
export function project(name, manifest = {}) {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(
    join(path, 'package.json'),
    JSON.stringify({ private: true, type: 'module', ...manifest }),
  )
  return path
}

export function npmInstall(cwd, packages) {
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', ...packages], cwd)
}

/** How many packages lie in a node_modules of npm's, and how many MiB they take. */
export function sizeOf(nodeModules) {
  let packages = 0
  let bytes = 0
  for (const entry of readdirSync(nodeModules, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // What it takes on the disk, as du counts.
    bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
    const inside = join(entry.parentPath, entry.name).split('node_modules/').at(-1)
    if (/^(?:@[^/]+\/)?[^/]+\/package\.json$/.test(inside)) packages += 1
  }
  return { packages, mib: bytes / 2 ** 20 }
}

/** Starts the packed development authority in `cwd`, and gives the sockets of its workloads, in order. */
export async function startAuthority(node, cwd, workloads) {
  const child = spawn(
    node,
    [
      join(cwd, 'node_modules/@fastify-spiffe/cli/bin/fastify-spiffe.js'),
      'dev',
      ...workloads.flatMap((path) => ['--workload', path]),
    ],
    { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => (errors += chunk))
  let output = ''
  const addresses = () =>
    [...output.matchAll(/SPIFFE_ENDPOINT_SOCKET=(\S+)/g)].map((match) => match[1])
  for await (const chunk of child.stdout) {
    output += chunk
    if (addresses().length >= workloads.length) break
  }
  if (addresses().length < workloads.length) throw new Error(`the authority said: ${errors}`)
  const stop = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  return { addresses: addresses(), stop }
}
