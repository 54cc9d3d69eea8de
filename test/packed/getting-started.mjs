// docs/getting-started.md, followed to the letter in an empty folder, with the packed packages in the place of the published ones.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { follow } from '../dist/support/walkthrough.js'
import { freePort } from '../dist/spire/fixture/port.js'
import { APART, environment, folder, npmInstall, project, say, workspace } from './project.mjs'

export async function checkGettingStarted(tarballs) {
  const files = (wanted) =>
    [...tarballs].filter(([name]) => wanted(name)).map(([, file]) => join(folder, file))
  // `npx @fastify-spiffe/cli` installs it in a cache of its own.
  const cli = project('npx')
  npmInstall(
    cli,
    files(() => true),
  )
  const started = join(folder, 'getting-started')
  mkdirSync(started)
  const port = await freePort()
  const service = files((name) => !APART.test(name)).join(' ')
  const adapt = (text) =>
    text
      // Each command has a shell of its own.
      .replace(/^mkdir .*$/m, '')
      .replaceAll('npm install fastify fastify-spiffe', `npm install --silent fastify ${service}`)
      .replaceAll('npx @fastify-spiffe/cli', join(cli, 'node_modules/.bin/fastify-spiffe'))
      .replaceAll('/tmp/spiffe', join(folder, 'sockets'))
      .replaceAll('8443', String(port))
  const page = join(workspace, 'docs/getting-started.md')
  const printed = await follow({ page, folder: started, adapt, env: environment })
  for (const { command, expected, actual } of printed) {
    if (actual !== expected) throw new Error(`${command} printed ${actual}`)
    say(actual.trimEnd())
  }
  if (printed.length !== 2) throw new Error('the page shows no two answers')
}
