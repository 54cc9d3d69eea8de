// Boots an application with a thousand routes, with the plugin or without, and prints the CPU milliseconds that it took:
// of the thread that boots, for which the boot waits, and of the whole process, with V8's compilers and collectors.
import { readFileSync } from 'node:fs'
import { authz } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import Fastify from 'fastify'

const ROUTES = 1000

const isGuarded = process.argv[2] === 'guarded'
const threadMs = (): number => {
  try {
    // Linux tells nanoseconds; elsewhere there is only the process.
    return (
      Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
    )
  } catch {
    return processMs()
  }
}
const processMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const before = [threadMs(), processMs()] as const
const app = Fastify()
await app.register(peer)
if (isGuarded) await app.register(authz)
for (let at = 0; at < ROUTES; at++) {
  const allow = [`spiffe://example.org/acme/w${at}`, 'spiffe://example.org/{tenant}/api-*']
  // Without the plugin, no rule: routes with a rule that nothing enforces do not boot.
  const config = isGuarded ? { spiffe: { allow } } : {}
  app.get(`/resources-${at % 40}/${at}/:id`, { config }, () => 'in')
}
await app.ready()
const taken = { threadMs: threadMs() - before[0], processMs: processMs() - before[1] }
process.stdout.write(JSON.stringify(taken))
await app.close()
