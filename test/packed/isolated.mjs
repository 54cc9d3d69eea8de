// fastify-spiffe alone, installed by pnpm: a service reaches nothing but what it has declared. All that the READMEs
// import is reachable from it, and the authority is not there.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder, pinned, project, run, show, workspace } from './project.mjs'

/** An import of each subpath, and a service that is compiled with the types of its requests. */
function program() {
  const manifest = JSON.parse(
    readFileSync(join(workspace, 'packages/fastify-spiffe/package.json'), 'utf8'),
  )
  const subpaths = Object.keys(manifest.exports).filter((key) => !key.endsWith('.json'))
  const modules = subpaths.map((key, index) => [`module${index}`, `fastify-spiffe${key.slice(1)}`])
  return `import Fastify from 'fastify'
import { authz, peer } from 'fastify-spiffe'
import { injectAs } from 'fastify-spiffe/test-kit'
${modules.map(([name, from]) => `import * as ${name} from '${from}'`).join('\n')}

for (const module of [${modules.map(([name]) => name).join(', ')}]) {
  if (Object.keys(module).length === 0) throw new Error('a subpath exports nothing')
}
const absents = [
  '@fastify-spiffe/authority',
  '@fastify-spiffe/cli',
  '@fastify-spiffe/engine-cedar',
  '@cedar-policy/cedar-wasm',
  '@open-policy-agent/opa-wasm',
  '@peculiar/x509',
]
for (const absent of absents) {
  const found = await import(absent).then(() => true, () => false)
  if (found) throw new Error(absent + ' is installed')
}
const app = Fastify()
await app.register(peer)
await app.register(authz)
const rule = { config: { spiffe: { anyAuthenticated: true } } } as const
app.get('/', rule, (request) => \`hello \${request.spiffeId}\`)
const { body } = await injectAs(app, 'spiffe://example.org/acme/web', '/')
if (body !== 'hello spiffe://example.org/acme/web') throw new Error(body)
await app.close()
`
}

export function checkIsolated(tarballs) {
  const file = (name) => `file:${join(folder, tarballs.get(name))}`
  const sisters = [...tarballs.keys()].filter((name) => name.startsWith('@fastify-spiffe/'))
  const isolated = project('isolated', {
    dependencies: {
      fastify: '^5.0.0',
      'fastify-spiffe': file('fastify-spiffe'),
      // The peers of `fastify-spiffe/jwt` and `/fetch`.
      jose: '^6.0.0',
      '@fastify-spiffe/fetch': file('@fastify-spiffe/fetch'),
    },
    devDependencies: Object.fromEntries(
      ['typescript', '@types/node'].map((name) => [name, pinned(name).slice(name.length + 1)]),
    ),
    pnpm: { overrides: Object.fromEntries(sisters.map((name) => [name, file(name)])) },
  })
  writeFileSync(join(isolated, 'check.ts'), program())
  const compilerOptions = {
    strict: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    skipLibCheck: true,
  }
  writeFileSync(join(isolated, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  run(
    'npx',
    ['-y', 'pnpm@10', 'install', '--silent', '--ignore-scripts', '--prefer-offline'],
    isolated,
  )
  show('npx', ['tsc'], isolated)
  show(process.execPath, ['check.js'], isolated)
}
