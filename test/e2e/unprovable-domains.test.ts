import { Authority } from '@fastify-spiffe/authority'
import { authz, type PolicyDocument } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { afterAll, expect, test } from '@jest/globals'
import Fastify from 'fastify'

const authority = await Authority.create({ trustDomain: 'example.org' })
const partner = await Authority.create({ trustDomain: 'partner.example' })
authority.federate(partner)
afterAll(async () => {
  await authority.close()
  await partner.close()
})

const policyOf = (...allow: readonly string[]): PolicyDocument => ({
  version: allow.length.toString(),
  routes: { 'GET /': { allow, deny: ['spiffe://misspelt.example/x'] } },
})

test('trust domains that rules name and that nobody can be proven by are in the log, once for each policy', async () => {
  const source = await authority.source('spiffe://example.org/acme/orders')
  const warned: unknown[] = []
  const stream = { write: (line: string) => void warned.push(JSON.parse(line)) }
  const app = Fastify({ ...spiffeServer(source), logger: { level: 'warn', stream } })
  await app.register(svid, { source })
  await app.register(peer)
  const good = ['spiffe://example.org/acme/web', 'spiffe://partner.example/*/web']
  await app.register(authz, { policy: policyOf(...good) })
  app.get('/', () => 'in')
  await app.ready()

  const found = { code: 'trust-domain-without-bundle', level: 40 }
  expect(warned).toEqual([
    expect.objectContaining({ ...found, trustDomains: ['misspelt.example'], policyVersion: '2' }),
  ])
  await app.authz.reload(policyOf(...good, 'spiffe://stranger.example/x'))
  expect(warned.slice(1)).toEqual([
    expect.objectContaining({
      ...found,
      trustDomains: ['stranger.example', 'misspelt.example'],
      policyVersion: '3',
    }),
  ])
  await app.close()
  await source.close()
})
