// Packs every package, and uses the tarballs outside the workspace as users do: installed by npm and by pnpm, compiled,
// loaded in the usual layouts, and bundled. Needs nothing but the npm registry, and redis-server for one step.
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkBundles } from './bundles.mjs'
import { checkGettingStarted } from './getting-started.mjs'
import { checkGrpcMinors } from './grpc-minors.mjs'
import { checkIsolated } from './isolated.mjs'
import { checkLayouts, checkReplicas, NEIGHBOURS } from './layouts.mjs'
import {
  APART,
  folder,
  here,
  npmInstall,
  pinned,
  project,
  run,
  say,
  sizeOf,
  step,
  workspace,
} from './project.mjs'
import { checkReadme } from './readme.mjs'

/** What `npm install fastify fastify-spiffe` brought while the command line was a part of it. */
const BEFORE = { packages: 112, mib: 45 }

/** The tarball of each package, by its name. */
function pack() {
  const args = ['-y', 'pnpm@10', '-r', '--filter', './packages/*', 'pack', '--pack-destination']
  run('npx', [...args, folder], workspace)
  const files = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  return new Map(
    files.map((file) => {
      const name = file
        .replace(/-\d+\.\d+\.\d+\.tgz$/, '')
        .replace(/^fastify-spiffe-(?=.)/, '@fastify-spiffe/')
      return [name, file]
    }),
  )
}

/** What a service installs: neither the authority, nor the command line, nor an engine that needs a library. */
function checkSize(tarballs) {
  const service = project('service')
  const files = [...tarballs].filter(([name]) => !APART.test(name))
  npmInstall(service, ['fastify', ...files.map(([, file]) => join(folder, file))])
  const { packages, mib } = sizeOf(join(service, 'node_modules'))
  const names = readdirSync(join(service, 'node_modules'))
  for (const scope of ['@peculiar', '@cedar-policy', '@open-policy-agent']) {
    if (names.includes(scope)) throw new Error(`a service installs ${scope}`)
  }
  say(
    `npm install fastify fastify-spiffe: ${packages} packages, ${mib.toFixed(1)} MiB (before: ${BEFORE.packages}, ${BEFORE.mib} MiB)`,
  )
}

try {
  const tarballs = await step('packed', pack)
  await step('a service installed by npm', () => checkSize(tarballs))
  await step('docs/getting-started.md, followed', () => checkGettingStarted(tarballs))
  await step('fastify-spiffe alone, by pnpm', () => checkIsolated(tarballs))
  await step('gRPC, on the oldest and the newest grpc-js', () => checkGrpcMinors(tarballs))
  const app = project('app')
  await step('all installed by npm', () =>
    npmInstall(app, [
      'fastify',
      ...[...tarballs.values()].map((file) => join(folder, file)),
      pinned('typescript'),
      pinned('@types/node'),
      ...NEIGHBOURS,
    ]),
  )
  cpSync(join(here, 'service'), join(app, 'service'), { recursive: true })
  await step("the README's example", () => checkReadme(app))
  await step('fastify start and autoload', () => checkLayouts(app))
  await step('replicas on ioredis', () => checkReplicas(app))
  await step('bundles', () => checkBundles(app))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
