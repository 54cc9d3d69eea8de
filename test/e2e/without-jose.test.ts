import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const run = promisify(execFile)

/** Refuses to find the package, as where it is not installed. */
const HOOKS = `export async function resolve(specifier, context, next) {
  if (specifier === 'jose') throw new Error('jose was asked for')
  return next(specifier, context)
}`

const PROGRAM = `
import { register } from 'node:module'
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HOOKS)}`)})
const { Authority } = await import('@fastify-spiffe/authority')
const { default: Fastify } = await import('fastify')
const { peer, spiffeServer, svid } = await import('fastify-spiffe')
const { verifyJwtSvid } = await import('fastify-spiffe/jwt-svid')
const authority = await Authority.create({ trustDomain: 'example.org' })
const source = await authority.source('spiffe://example.org/orders')
const web = await authority.source('spiffe://example.org/web')
const { token } = await web.fetchJwtSvid({ audience: 'orders' })
const { ok } = await verifyJwtSvid(token, source.jwtBundles, { audience: 'orders' })
const app = Fastify(spiffeServer(source))
await app.register(svid, { source })
await app.register(peer, { jwt: { audience: 'orders' } })
await app.ready()
await app.close()
await authority.close()
const asked = await import('fastify-spiffe/jwt').then(() => 'no', ({ message }) => message)
console.log(ok, asked)
`

test('JWT-SVIDs are fetched and verified without jose, for which only claims of other tokens ask', async () => {
  // In this folder, so that the packages are found.
  const cwd = fileURLToPath(new URL('.', import.meta.url))
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', PROGRAM], { cwd })
  expect(stdout).toBe('true jose was asked for\n')
})
