// The README's example, compiled and run as a user would: on this Node, and on $NODE_26 where it is given, with the
// newest Fastify and with the oldest that the packages say they work with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmInstall, say, show, startAuthority, workspace } from './project.mjs'

/** The first ts block of the README. */
function example() {
  const readme = readFileSync(join(workspace, 'README.md'), 'utf8')
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (block === undefined) throw new Error('the README has no ts block')
  return block
}

// Then one call from an allowed workload over real mTLS.
const CALL = `
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { SvidAgent } from '@fastify-spiffe/tls'
import { matchId } from 'fastify-spiffe'

const { port } = app.server.address() as AddressInfo
const caller = await X509Source.open({ address: process.env['CALLER_SOCKET']! })
const agent = new SvidAgent({ source: caller, server: matchId('spiffe://example.org/acme/orders') })
const response = await new Promise<IncomingMessage>((resolve, reject) => {
  https.get({ host: '127.0.0.1', port, path: '/orders', agent }, resolve).on('error', reject)
})
const body = await text(response)
if (response.statusCode !== 200 || body !== 'hello spiffe://example.org/acme/web') throw new Error(\`\${response.statusCode} \${body}\`)
console.log(\`node \${process.version}: \${response.statusCode} \${body}\`)
agent.destroy()
await app.close()
await Promise.all([caller.close(), source.close()])
`

export async function checkReadme(app) {
  mkdirSync(join(app, 'src'))
  writeFileSync(join(app, 'src/check.ts'), example() + CALL)
  const compilerOptions = {
    strict: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    outDir: 'dist',
    rootDir: 'src',
  }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
  for (const fastify of ['5.0.0', '^5.0.0']) {
    npmInstall(app, [`fastify@${fastify}`])
    show('npx', ['tsc'], app)
    say(`fastify ${fastify}: compiled under strict, with skipLibCheck off`)
    for (const node of [process.execPath, process.env.NODE_26].filter((path) => path !== undefined))
      await runExample(app, node)
  }
}

async function runExample(app, node) {
  const authority = await startAuthority(node, app, ['/acme/orders', '/acme/web'])
  const [server, caller] = authority.addresses
  try {
    show(node, [join(app, 'dist/check.js')], app, {
      PORT: '0',
      SPIFFE_ENDPOINT_SOCKET: server,
      CALLER_SOCKET: caller,
    })
  } finally {
    await authority.stop()
  }
}
