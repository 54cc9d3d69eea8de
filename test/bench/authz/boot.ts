// Boots an application with a thousand routes, with the plugin or without, and prints the CPU milliseconds that it took.
import { authz } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import Fastify from 'fastify'

const ROUTES = 1000

const isGuarded = process.argv[2] === 'guarded'
const before = process.cpuUsage()
const app = Fastify()
await app.register(peer)
if (isGuarded) await app.register(authz)
for (let at = 0; at < ROUTES; at++) {
  const allow = [`spiffe://example.org/acme/w${at}`, 'spiffe://example.org/{tenant}/api-*']
  app.get(`/resources-${at % 40}/${at}/:id`, { config: { spiffe: { allow } } }, () => 'in')
}
await app.ready()
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify((user + system) / 1000))
await app.close()
