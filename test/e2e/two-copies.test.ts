import { cp, mkdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { svid } from '@fastify-spiffe/svid'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Fastify from 'fastify'

type Svid = typeof import('@fastify-spiffe/svid')
type Authz = typeof import('@fastify-spiffe/authz')
type Spiffe = typeof import('@fastify-spiffe/spiffe')

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

// What npm makes of two versions: other files, other symbols, other classes.
const packages = fileURLToPath(new URL('../../../packages', import.meta.url))
const folder = fileURLToPath(new URL('../copies', import.meta.url))

let authority: Authority
let source: InProcessSource

async function copyOf<Exports>(name: string): Promise<Exports> {
  const file = join(folder, 'node_modules/@fastify-spiffe', name, 'dist/index.js')
  return (await import(pathToFileURL(file).href)) as Exports
}

beforeAll(async () => {
  for (const name of ['spiffe', 'tls', 'plugin-kit', 'svid', 'peer', 'authz']) {
    const target = join(folder, 'node_modules/@fastify-spiffe', name)
    await mkdir(target, { recursive: true })
    for (const part of ['dist', 'package.json']) {
      await cp(join(packages, name, part), join(target, part), { recursive: true })
    }
  }
  const cache = join(folder, 'node_modules/lru-cache')
  await symlink(join(packages, 'authz/node_modules/lru-cache'), cache)
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source('spiffe://example.org/acme/orders')
})

afterAll(async () => {
  await source.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

test('a server of another copy is named as such by svid and by peer', async () => {
  const copy = await copyOf<Svid>('svid')
  await using app = Fastify(copy.spiffeServer(source))
  const refusal = { code: 'not-a-spiffe-server', message: expect.stringContaining('another copy') }
  await expect(app.register(svid, { source })).rejects.toMatchObject(refusal)
  await using other = Fastify(copy.spiffeServer(source))
  await other.register(peer)
  await expect(other.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject(refusal)
})

test('a matcher of another copy is named as such', async () => {
  const { matchMemberOf, SpiffeId } = await copyOf<Spiffe>('spiffe')
  await using app = Fastify()
  await app.register(peer)
  await app.register(authz)
  for (const caller of [matchMemberOf('example.org'), SpiffeId.parse(WEB)]) {
    const config = { spiffe: { allow: [caller] } } as object
    expect(() => app.get('/', { config }, () => 'in')).toThrow(
      expect.objectContaining({
        code: 'invalid-rule',
        message: expect.stringContaining('another copy'),
      }),
    )
  }
})

test('protect() of another copy holds, and is refused where it comes too late', async () => {
  const { protect } = await copyOf<Authz>('authz')
  await using app = Fastify()
  await app.register(peer)
  await app.register(authz, { policy: { prefixes: { '/': { allow: [WEB, API] } } } })
  await app.register(async (child) => {
    protect(child, { allow: [WEB] })
    child.get('/inner', () => 'in')
    expect(() => protect(child, { allow: [API] })).toThrow(
      expect.objectContaining({ code: 'invalid-rule' }),
    )
  })
  expect((await injectAs(app, WEB, '/inner')).statusCode).toBe(200)
  expect((await injectAs(app, API, '/inner')).statusCode).toBe(403)
  expect(() => protect(app, { allow: [API] })).toThrow(
    expect.objectContaining({ code: 'invalid-rule' }),
  )
})

test('authz of two copies guards each its own routes in siblings, and refuses to nest', async () => {
  const copy = await copyOf<Authz>('authz')
  await using app = Fastify()
  for (const [prefix, plugin] of [
    ['/one', authz],
    ['/two', copy.authz],
  ] as const) {
    app.register(
      async (child) => {
        await child.register(peer)
        await child.register(plugin)
        child.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
      },
      { prefix },
    )
  }
  for (const url of ['/one', '/two']) {
    expect((await injectAs(app, WEB, url)).statusCode).toBe(200)
    expect((await injectAs(app, API, url)).statusCode).toBe(403)
  }
  await using nested = Fastify()
  await nested.register(peer)
  await nested.register(authz)
  await expect(nested.register(copy.authz)).rejects.toMatchObject({ code: 'already-registered' })
})
