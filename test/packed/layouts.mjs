// How applications are started and put together with packages that are often beside these: `fastify start`,
// @fastify/autoload, and ioredis.
import { spawnSync } from 'node:child_process'
import { pinned, say, show, startAuthority } from './project.mjs'

/** What these steps need beside the packages. */
export const NEIGHBOURS = ['fastify-cli', '@fastify/autoload', 'fastify-plugin', 'ioredis'].map(
  pinned,
)

export async function checkLayouts(app) {
  const workloads = ['/acme/orders', '/acme/web', '/acme/other']
  const authority = await startAuthority(process.execPath, app, workloads)
  const [server, web, other] = authority.addresses
  try {
    show(process.execPath, ['service/call-layouts.mjs'], app, {
      SPIFFE_ENDPOINT_SOCKET: server,
      WEB_SOCKET: web,
      OTHER_SOCKET: other,
    })
  } finally {
    await authority.stop()
  }
}

export function checkReplicas(app) {
  if (spawnSync('redis-server', ['--version']).error === undefined) {
    show(process.execPath, ['service/replicas.mjs'], app)
  } else {
    say('  ioredis: left out, since there is no redis-server on this machine')
  }
}
