// One bundle of each kind, run against the development authority, which runs unbundled in a process of its own.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { folder, npmInstall, show, startAuthority, step } from './project.mjs'

const BUNDLERS = [
  'esbuild@0.28.2',
  'rollup@4.68.8',
  '@rollup/plugin-commonjs@29.0.3',
  '@rollup/plugin-json@6.1.0',
  '@rollup/plugin-node-resolve@16.0.3',
  'webpack@5.113.0',
  '@vercel/ncc@0.45.0',
]

export async function checkBundles(app) {
  const service = join(app, 'service')
  const bundles = join(folder, 'bundles')
  await step('bundlers installed', () => npmInstall(app, BUNDLERS))
  await step('bundled', () => show(process.execPath, ['service/bundle.mjs'], app))
  // To where no package can be found.
  cpSync(join(service, 'bundles'), bundles, { recursive: true })
  const authority = await startAuthority(process.execPath, app, [
    '/acme/orders',
    '/acme/web',
    '/acme/other',
  ])
  const [server, web, other] = authority.addresses
  try {
    show(process.execPath, ['service/call-bundles.mjs', bundles], app, {
      SPIFFE_ENDPOINT_SOCKET: server,
      WEB_SOCKET: web,
      OTHER_SOCKET: other,
    })
  } finally {
    await authority.stop()
    rmSync(bundles, { recursive: true })
  }
}
